//! The pictures in `docs/screens`.

use std::path::Path;
use std::process::Command;

use crate::walk::{furnished, walk};
use crate::{NARROW, WIDE};

/// Longer pages are cut.
const HIGHEST: u32 = 1600;

/// `/tenants/*/calls/*` is `calls-one`.
fn file_name(kind: &str) -> String {
    let parts = kind.trim_start_matches("/tenants/*").split('/').filter(|part| !part.is_empty());
    let words: Vec<&str> = parts.map(|part| if part == "*" { "one" } else { part }).collect();
    if words.is_empty() { "overview".to_owned() } else { words.join("-") }
}

/// Writes every page in both themes, and the overview as a telephone shows it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes docs/screens"]
async fn screens() {
    let Some((browser, _db, site, _daemon)) = furnished("1500").await else { return };
    browser.window(WIDE).await;
    let met = walk(&browser, &site).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens");
    std::fs::create_dir_all(&folder).unwrap();
    let mut pages: Vec<(String, String, (u32, u32))> =
        met.into_iter().map(|(kind, (address, _))| (file_name(&kind), address, WIDE)).collect();
    pages.push(("overview-390".to_owned(), "/".to_owned(), NARROW));
    pages.push(("sign-in".to_owned(), "/sign-in".to_owned(), WIDE));
    let mut files = Vec::new();
    for (name, address, size) in pages {
        browser.window(size).await;
        for theme in ["light", "dark"] {
            browser.theme(theme == "dark").await;
            browser.open(&format!("http://{}{address}", site.address)).await;
            let file = folder.join(format!("{name}-{theme}.png"));
            std::fs::write(&file, browser.picture(size.0, HIGHEST).await).unwrap();
            files.push(file);
        }
    }
    // A third of the size where it is installed.
    let _ = Command::new("pngquant")
        .args(["--force", "--ext", ".png", "--skip-if-larger", "--strip"])
        .args(&files)
        .status();
}
