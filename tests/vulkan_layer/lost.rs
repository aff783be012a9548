//! A Vulkan layer that plays a driver whose device is lost in the middle of a wait (a driver reset, a graphics card that was pulled):
//! once `DPAR_LOST_AFTER` waits have ended well, every further one for that device answers `VK_ERROR_DEVICE_LOST`; a device that is
//! made afterwards works. Between the program and a real driver, so that all of wgpu is in it. Cargo builds it as an example, which is how a test gets a library of its own beside it
//! (`tests/lost_device.rs` writes the layer's manifest and names it to the loader).
//!
//! The interface is the loader's (`vk_layer.h` of Vulkan-Headers, LoaderLayerInterface.md, version 2). Only the fields that are read
//! are spelled.

// The loader speaks C.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

type Any = unsafe extern "system" fn();
type Function = Option<Any>;
type Lookup = unsafe extern "system" fn(*mut c_void, *const c_char) -> Function;
type Create = unsafe extern "system" fn(*mut c_void, *const Chained, *const c_void, *mut *mut c_void) -> i32;
type CreateInstance = unsafe extern "system" fn(*const Chained, *const c_void, *mut *mut c_void) -> i32;
type WaitSemaphores = unsafe extern "system" fn(*mut c_void, *const c_void, u64) -> i32;
type WaitForFences = unsafe extern "system" fn(*mut c_void, u32, *const *mut c_void, u32, u64) -> i32;

const ERROR_INITIALIZATION_FAILED: i32 = -3;
const ERROR_DEVICE_LOST: i32 = -4;
/// `VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO` and the device's; `function` 0 is the link to the next layer.
const LOADER_INSTANCE: i32 = 47;
const LOADER_DEVICE: i32 = 48;

/// The head of every structure in a chain; `VkLayerInstanceCreateInfo` and `VkLayerDeviceCreateInfo` go on like this.
#[repr(C)]
struct Chained {
    kind: i32,
    next: *mut Chained,
    function: i32,
    link: *mut Link,
}

/// `VkLayerInstanceLink`, `VkLayerDeviceLink`: the next layer's lookups (the second one only of a device).
#[repr(C)]
struct Link {
    next: *mut Link,
    instance_lookup: Lookup,
    device_lookup: Lookup,
}

/// `VkNegotiateLayerInterface`.
#[repr(C)]
struct Negotiation {
    kind: i32,
    next: *mut c_void,
    version: u32,
    instance_lookup: Option<Lookup>,
    device_lookup: Option<Lookup>,
    physical_lookup: Function,
}

/// What comes after this layer. One process opens one driver, so that each is the same for all instances and devices.
static NEXT_INSTANCE: OnceLock<Lookup> = OnceLock::new();
static NEXT_DEVICE: OnceLock<Lookup> = OnceLock::new();
static INSTANCE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static LOST: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static WAITS: AtomicUsize = AtomicUsize::new(0);

/// Where the loader begins.
///
/// # Safety
/// `negotiation` is the loader's, valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vkNegotiateLoaderLayerInterfaceVersion(negotiation: *mut c_void) -> i32 {
    // SAFETY: as above.
    let negotiation = unsafe { &mut *negotiation.cast::<Negotiation>() };
    negotiation.version = negotiation.version.min(2);
    negotiation.instance_lookup = Some(instance_lookup);
    negotiation.device_lookup = Some(device_lookup);
    negotiation.physical_lookup = None;
    0
}

unsafe extern "system" fn instance_lookup(instance: *mut c_void, name: *const c_char) -> Function {
    // SAFETY (of the casts): each function has the signature that Vulkan gives its name. The name is a C string of the caller's.
    unsafe {
        match CStr::from_ptr(name).to_bytes() {
            b"vkGetInstanceProcAddr" => Some(std::mem::transmute::<Lookup, Any>(instance_lookup)),
            b"vkCreateInstance" => Some(std::mem::transmute::<CreateInstance, Any>(create_instance)),
            b"vkCreateDevice" => Some(std::mem::transmute::<Create, Any>(create_device)),
            name if replaced(name).is_some() => replaced(name),
            _ => NEXT_INSTANCE.get().and_then(|next| next(instance, name)),
        }
    }
}

unsafe extern "system" fn device_lookup(device: *mut c_void, name: *const c_char) -> Function {
    // SAFETY: as in `instance_lookup`.
    unsafe {
        let known = replaced(CStr::from_ptr(name).to_bytes());
        known.or_else(|| NEXT_DEVICE.get().and_then(|next| next(device, name)))
    }
}

/// A device's functions that this layer stands in for.
fn replaced(name: &[u8]) -> Function {
    // SAFETY: as in `instance_lookup`.
    unsafe {
        match name {
            b"vkGetDeviceProcAddr" => Some(std::mem::transmute::<Lookup, Any>(device_lookup)),
            b"vkWaitSemaphores" | b"vkWaitSemaphoresKHR" => {
                Some(std::mem::transmute::<WaitSemaphores, Any>(wait_semaphores))
            }
            b"vkWaitForFences" => Some(std::mem::transmute::<WaitForFences, Any>(wait_for_fences)),
            _ => None,
        }
    }
}

/// The link to the next layer in the chain of a creation, which is moved on for that layer.
///
/// # Safety
/// The chain is the loader's.
unsafe fn link(created: *const Chained, kind: i32) -> Option<&'static Link> {
    // SAFETY: every structure of a chain begins with its kind and the next one; the loader's go on as `Chained` does.
    unsafe {
        let mut at = (*created).next;
        while let Some(found) = at.as_mut() {
            if found.kind == kind && found.function == 0 {
                let link = found.link.as_ref()?;
                found.link = link.next;
                return Some(link);
            }
            at = found.next;
        }
    }
    None
}

unsafe extern "system" fn create_instance(info: *const Chained, memory: *const c_void, out: *mut *mut c_void) -> i32 {
    // SAFETY: the arguments are the loader's and are handed on; the next layer's function has this very signature.
    unsafe {
        let Some(link) = link(info, LOADER_INSTANCE) else { return ERROR_INITIALIZATION_FAILED };
        let next = *NEXT_INSTANCE.get_or_init(|| link.instance_lookup);
        let Some(create) = next(std::ptr::null_mut(), c"vkCreateInstance".as_ptr()) else {
            return ERROR_INITIALIZATION_FAILED;
        };
        let said = std::mem::transmute::<Any, CreateInstance>(create)(info, memory, out);
        INSTANCE.store(if said == 0 { *out } else { std::ptr::null_mut() }, Ordering::Release);
        said
    }
}

unsafe extern "system" fn create_device(
    physical: *mut c_void,
    info: *const Chained,
    memory: *const c_void,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: as in `create_instance`.
    unsafe {
        let Some(link) = link(info, LOADER_DEVICE) else { return ERROR_INITIALIZATION_FAILED };
        NEXT_DEVICE.get_or_init(|| link.device_lookup);
        let instance = INSTANCE.load(Ordering::Acquire);
        let Some(create) = (link.instance_lookup)(instance, c"vkCreateDevice".as_ptr()) else {
            return ERROR_INITIALIZATION_FAILED;
        };
        std::mem::transmute::<Any, Create>(create)(physical, info, memory, out)
    }
}

/// Whether this wait finds its device lost: the one that waits when the time has come.
fn is_lost(device: *mut c_void) -> bool {
    let after = std::env::var("DPAR_LOST_AFTER").ok().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    if WAITS.fetch_add(1, Ordering::AcqRel) == after {
        LOST.store(device, Ordering::Release);
    }
    LOST.load(Ordering::Acquire) == device
}

unsafe extern "system" fn wait_semaphores(device: *mut c_void, info: *const c_void, timeout: u64) -> i32 {
    // SAFETY: handed on as it came; the next layer's function has this very signature.
    unsafe {
        let next = ["vkWaitSemaphores\0", "vkWaitSemaphoresKHR\0"];
        let next = next.into_iter().find_map(|name| NEXT_DEVICE.get()?(device, name.as_ptr().cast()));
        match next {
            Some(next) if !is_lost(device) => std::mem::transmute::<Any, WaitSemaphores>(next)(device, info, timeout),
            _ => ERROR_DEVICE_LOST,
        }
    }
}

unsafe extern "system" fn wait_for_fences(
    device: *mut c_void,
    count: u32,
    fences: *const *mut c_void,
    all: u32,
    timeout: u64,
) -> i32 {
    // SAFETY: as in `wait_semaphores`.
    unsafe {
        match NEXT_DEVICE.get().and_then(|next| next(device, c"vkWaitForFences".as_ptr())) {
            Some(next) if !is_lost(device) => {
                std::mem::transmute::<Any, WaitForFences>(next)(device, count, fences, all, timeout)
            }
            _ => ERROR_DEVICE_LOST,
        }
    }
}
