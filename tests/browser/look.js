// What a reader would stumble over on the page that is open, as a list of texts.
const flaws = [];
const name = (e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") ?? ""} “${(e.textContent ?? "").trim().slice(0, 40)}”`;
const root = document.documentElement;
const width = root.clientWidth;

const titles = document.querySelectorAll("h1").length;
if (titles !== 1) flaws.push(`${titles} h1`);

// Wide parts may scroll by themselves; the page may not.
if (root.scrollWidth > width) flaws.push(`the page is ${root.scrollWidth} wide`);
const scrolls = (e) => e && (getComputedStyle(e).overflowX !== "visible" && !(e instanceof SVGElement) || scrolls(e.parentElement));
for (const e of document.body.querySelectorAll("*:not(svg *)")) {
  const box = e.getBoundingClientRect();
  if (e.checkVisibility() && box.right > width + 1 && !scrolls(e.parentElement)) flaws.push(`ends at ${Math.round(box.right)}: ${name(e)}`);
}

// Names for who cannot see, and ids that are one.
for (const e of document.querySelectorAll("input:not([type=hidden], [hidden]), select, textarea")) {
  if (e.labels.length === 0 && !e.getAttribute("aria-label")) flaws.push(`no label: ${e.outerHTML.slice(0, 80)}`);
}
for (const e of document.querySelectorAll("a, button")) {
  if (!e.textContent.trim() && !e.getAttribute("aria-label")) flaws.push(`no words: ${e.outerHTML.slice(0, 80)}`);
}
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) flaws.push(`twice: #${id}`);

// Contrast of every text with what it really stands on.
const point = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const seen = new Map();
const rgba = (colour) => {
  if (!seen.has(colour)) {
    point.clearRect(0, 0, 1, 1);
    point.fillStyle = colour;
    point.fillRect(0, 0, 1, 1);
    seen.set(colour, [...point.getImageData(0, 0, 1, 1).data]);
  }
  return seen.get(colour);
};
const over = ([r, g, b, a], ground) => [r, g, b].map((c, at) => (c * a + ground[at] * (255 - a)) / 255);
const ground = (e) => (e ? over(rgba(getComputedStyle(e).backgroundColor), ground(e.parentElement)) : [255, 255, 255]);
const light = (colour) => {
  const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const e = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !e.checkVisibility()) continue;
  const below = ground(e);
  const style = getComputedStyle(e);
  const lights = [light(over(rgba(e instanceof SVGElement ? style.fill : style.color), below)), light(below)];
  const contrast = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
  if (contrast < 4.5) flaws.push(`contrast ${contrast.toFixed(2)}: ${name(e)}`);
}
return [...new Set(flaws)];
