//! Who starts the app: a window on a computer, a page in a browser. The command line is the third (`cli/`, in the program).

#[cfg(not(target_arch = "wasm32"))]
mod desktop;
#[cfg(not(target_arch = "wasm32"))]
pub use desktop::open_window;

#[cfg(target_arch = "wasm32")]
mod between;
#[cfg(target_arch = "wasm32")]
mod page;
#[cfg(target_arch = "wasm32")]
pub use page::Page;
