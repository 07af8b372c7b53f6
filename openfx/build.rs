//! Compiles the C shim of the headless host, which carries the calls that take any number of
//! arguments. Without the feature `host` there is nothing to do, and no C compiler is needed.

fn main() {
    println!("cargo::rerun-if-changed=src/host/shim.c");
    #[cfg(feature = "host")]
    cc::Build::new()
        .file("src/host/shim.c")
        .flag_if_supported("-std=c99")
        .flag_if_supported("-fvisibility=hidden")
        .warnings(true)
        .extra_warnings(true)
        .compile("ofx_host_shim");
}
