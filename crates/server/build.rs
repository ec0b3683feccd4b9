//! Rebuilds when the web app was built anew; the app is embedded from `web/dist`.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
}
