//! A virtual screen, the program in a window on it, and hands: xdotool's.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Software rendering on a busy machine is slow: nothing here is about speed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Whether a program can be started.
pub fn has(program: &str) -> bool {
    let mut probe = Command::new("sh");
    probe.args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Ends a process that we started, whatever happens.
pub struct Owned(pub Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One window at a time: software rendering takes all cores.
pub static ALONE: Mutex<()> = Mutex::new(());

/// A virtual screen with a window manager. Fields are dropped in this order.
pub struct Screen {
    pub display: String,
    pub _manager: Owned,
    pub _server: Owned,
    pub _alone: MutexGuard<'static, ()>,
}

impl Screen {
    /// `None`, with the reason printed, where the programs are missing.
    pub fn open() -> Option<Self> {
        for program in ["Xvfb", "xdotool", "openbox"] {
            if !has(program) {
                println!("{program} is not installed: the window is not tested");
                return None;
            }
        }
        // A test that failed before says so itself.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // The server finds a free display and says which.
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]);
        let mut server = Owned(server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let mut line = String::new();
        let mut said = std::io::BufReader::new(server.0.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        let display = format!(":{}", line.trim());
        let mut manager = Command::new("openbox");
        manager.env("DISPLAY", &display).stdout(Stdio::null()).stderr(Stdio::null());
        let manager = Owned(manager.spawn().unwrap());
        Some(Self { display, _manager: manager, _server: server, _alone: alone })
    }
}

/// A running app.
pub struct Window {
    pub app: Owned,
    pub screen: Screen,
    pub home: TempDir,
}

impl Window {
    pub fn open(args: &[&str], env: &[(&str, &str)]) -> Option<Self> {
        let screen = Screen::open()?;
        let home = TempDir::new().unwrap();
        let app = start(&screen, &home, args, env);
        Some(Self { app, screen, home })
    }

    pub fn state(&self) -> Option<Value> {
        // A file that is being written reads as broken: the next look will do.
        serde_json::from_slice(&fs::read(self.home.path().join("state.json")).ok()?).ok()
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let state = self.state();
            if let Some(state) = state.as_ref().filter(|s| so(s)) {
                return state.clone();
            }
            let errors = || fs::read_to_string(self.home.path().join("stderr")).unwrap_or_default();
            if let Some(status) = self.app.0.try_wait().unwrap() {
                panic!("the app ended ({status}) while waiting until {what}: {}", errors());
            }
            assert!(start.elapsed() < PATIENCE, "waited until {what}: {} {}", brief(state), errors());
            sleep(Duration::from_millis(30));
        }
    }

    pub fn xdotool(&self, args: &[&str]) -> String {
        let mut tool = Command::new("xdotool");
        let done = tool.args(args).env("DISPLAY", &self.screen.display).output().unwrap();
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// The window that is open now.
    #[track_caller]
    pub fn id(&self) -> String {
        let start = Instant::now();
        loop {
            let found = self.xdotool(&["search", "--onlyvisible", "--name", "DPAR"]);
            if let Some(id) = found.lines().last() {
                return id.to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "no window");
            sleep(Duration::from_millis(50));
        }
    }

    pub fn focus(&self) {
        self.xdotool(&["windowfocus", "--sync", &self.id()]);
    }

    pub fn key(&self, key: &str) {
        self.xdotool(&["key", key]);
    }

    /// Where the mouse points, from the window's corner.
    pub fn point(&self, x: u32, y: u32) {
        self.xdotool(&["mousemove", "--window", &self.id(), &x.to_string(), &y.to_string()]);
    }

    pub fn resize(&self, width: u32, height: u32) {
        let id = self.id();
        self.xdotool(&["windowsize", &id, &width.to_string(), &height.to_string()]);
        self.xdotool(&["windowmove", &id, "0", "0"]);
        self.settle();
    }

    /// Until the app has nothing more to paint.
    pub fn settle(&self) {
        sleep(Duration::from_millis(900));
    }

    pub fn shot(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens");
        fs::create_dir_all(&folder).unwrap();
        if has("import") {
            let mut import = Command::new("import");
            import.args(["-window", "root"]).arg(folder.join(format!("{name}.png")));
            let _ = import.env("DISPLAY", &self.screen.display).status();
        }
    }

    /// Closes the window as its frame's cross would, and says how the program ended.
    #[track_caller]
    pub fn close(&mut self) -> ExitStatus {
        self.focus();
        self.key("alt+F4"); // the window manager's: Debian's xdotool cannot ask a window to close
        wait(&mut self.app)
    }
}

#[track_caller]
pub fn wait(app: &mut Owned) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = app.0.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < PATIENCE, "the app does not end");
        sleep(Duration::from_millis(30));
    }
}

pub fn start(screen: &Screen, home: &TempDir, args: &[&str], env: &[(&str, &str)]) -> Owned {
    let path = home.path();
    let _ = fs::remove_file(path.join("state.json"));
    let mut app = Command::new(env!("CARGO_BIN_EXE_dpar"));
    app.arg("app").args(args).env("DISPLAY", &screen.display).env_remove("WAYLAND_DISPLAY").env("NODEVICE_SELECT", "1");
    for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
        app.env(name, path);
    }
    app.env("DPAR_STATE", path.join("state.json")).envs(env.iter().copied());
    app.stdout(Stdio::null()).stderr(fs::File::create(path.join("stderr")).unwrap());
    Owned(app.spawn().unwrap())
}

/// A state without its long lists, for messages.
pub fn brief(state: Option<Value>) -> String {
    let mut state = state.unwrap_or_default();
    if let Some(all) = state.as_object_mut() {
        all.retain(|key, _| !["classes", "commands", "labels", "ids"].contains(&key.as_str()));
    }
    state.to_string()
}

pub fn number(state: &Value, key: &str) -> u64 {
    state[key].as_u64().unwrap_or_else(|| panic!("{key} is {}", state[key]))
}

pub fn phase(state: &Value, wanted: &str) -> bool {
    state["phase"] == wanted
}

pub fn decoded(state: &Value) -> bool {
    phase(state, "done") && number(state, "decoded") > 0
}

pub fn no_gpu() -> bool {
    std::env::var("DPAR_NO_GPU").is_ok_and(|v| v == "1")
}
