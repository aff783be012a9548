//! The `dpar` program: the command line in a terminal, an empty shell in the browser (the page calls the library).

#[cfg(not(target_arch = "wasm32"))]
mod cli;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Without a desktop session, Mesa's device-select layer makes libwayland print two "error:" lines into every
        // command that opens Vulkan. This turns the layer off; there is no session whose device it could prefer.
        #[allow(unsafe_code)]
        // SAFETY: the program's first statement; no other thread exists that could read the environment.
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
    cli::main()
}

// The page starts the app itself, when it has made its object: `web/boot.js`. Naming the class links it in.
#[cfg(target_arch = "wasm32")]
pub use dpar::shell::Page;

/// Runs what libraries have to run before all else (burn's compiler registers itself so). The linker leaves that to whoever does it
/// by name; where nobody does, it has every call from the page run all of it again, a seventh of what a page computed.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
fn main() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes it, with this signature, for every program; it is called once, before anything else.
    unsafe { __wasm_call_ctors() }
}
