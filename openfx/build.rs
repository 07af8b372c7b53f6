//! Compiles the C shim of the headless host, which carries the calls that take any number of
//! arguments. Without the feature `host` there is nothing to do.

fn main() {
    println!("cargo::rerun-if-changed=src/host/shim.c");
    if std::env::var_os("CARGO_FEATURE_HOST").is_some() {
        cc::Build::new()
            .file("src/host/shim.c")
            .flag_if_supported("-std=c99")
            .flag_if_supported("-fvisibility=hidden")
            .warnings(true)
            .extra_warnings(true)
            .compile("ofx_host_shim");
    }
}
