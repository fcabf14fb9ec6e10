//! `sbom PACKAGE`: what a package is made of, as CycloneDX, from the output of
//! `cargo metadata` on standard input.
//!
//! It lists what is linked into the package for the platforms that the metadata
//! were asked for: no build scripts' own dependencies, no tests'.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::Context;
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let package = std::env::args().nth(1).context("usage: sbom PACKAGE < output of cargo metadata")?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let metadata: Value = serde_json::from_str(&text).context("the input is not that of cargo metadata")?;
    println!("{:#}", sbom(&metadata, &package)?);
    Ok(())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn sbom(metadata: &Value, package: &str) -> anyhow::Result<Value> {
    let by_id: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).filter_map(|it| Some((it["id"].as_str()?, it))).collect();
    let linked: BTreeMap<&str, Vec<&str>> =
        list(&metadata["resolve"]["nodes"]).filter_map(|node| Some((node["id"].as_str()?, linked(node)))).collect();
    let root = by_id.iter().find(|(_, it)| it["name"] == package).map(|(id, _)| *id);
    let root = root.with_context(|| format!("there is no package {package}"))?;

    let (mut seen, mut next) = (BTreeSet::from([root]), vec![root]);
    while let Some(id) = next.pop() {
        next.extend(linked.get(id).into_iter().flatten().copied().filter(|it| seen.insert(it)));
    }
    let of = |id: &str| by_id.get(id).map(|it| component(it)).with_context(|| format!("no package {id}"));
    let components: Vec<Value> = seen.iter().filter(|id| **id != root).map(|id| of(id)).collect::<Result<_, _>>()?;
    let reference = |id: &str| by_id.get(id).map_or_else(String::new, |it| purl(it));
    let dependencies: Vec<Value> = seen
        .iter()
        .map(|id| {
            let on: BTreeSet<String> = linked.get(id).into_iter().flatten().map(|it| reference(it)).collect();
            json!({ "ref": reference(id), "dependsOn": on })
        })
        .collect();
    let mut whole = of(root)?;
    whole["type"] = "application".into();
    Ok(json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": whole },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// What is linked in: the dependencies of kind "normal".
fn linked(node: &Value) -> Vec<&str> {
    let normal = |dep: &&Value| list(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null());
    list(&node["deps"]).filter(normal).filter_map(|dep| dep["pkg"].as_str()).collect()
}

fn component(package: &Value) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    });
    if let Some(license) = package["license"].as_str() {
        // Older crates write "MIT/Apache-2.0", which is no SPDX expression.
        component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
    }
    if let Some(repository) = package["repository"].as_str() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

fn purl(package: &Value) -> String {
    let word = |key: &str| package[key].as_str().unwrap_or_default().replace('+', "%2B");
    format!("pkg:cargo/{}@{}", word("name"), word("version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Break to try: dependencies of every kind followed.
    #[test]
    fn it_holds_what_is_linked_and_nothing_else() {
        let package =
            |name: &str| json!({ "id": name, "name": name, "version": "1.0.0+x", "license": "MIT/Apache-2.0" });
        let dep = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let packages = ["app", "used", "below", "builds", "tests", "other"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": { "nodes": [
                { "id": "app", "deps": [dep("used", Value::Null), dep("builds", "build".into()), dep("tests", "dev".into())] },
                { "id": "used", "deps": [dep("below", Value::Null)] },
                { "id": "below", "deps": [] },
            ] },
        });
        let made = sbom(&metadata, "app").unwrap();
        let names: Vec<&str> = list(&made["components"]).filter_map(|it| it["name"].as_str()).collect();
        assert_eq!(names, ["below", "used"]);
        assert_eq!(made["components"][0]["purl"], "pkg:cargo/below@1.0.0%2Bx");
        assert_eq!(made["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(made["metadata"]["component"]["name"], "app");
        assert!(sbom(&metadata, "nobody").is_err());
    }
}
