//! Where the control socket of a house is, and how it is made: its owner's alone.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;

/// Removes the socket when the house is gone.
#[derive(Debug)]
pub(crate) struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        // Without the right to (--user) it stays, and the next house takes its place.
        let _ = fs::remove_file(&self.0);
    }
}

/// Where the house on this TAP listens, unless it was told otherwise.
pub(crate) fn default_path(tap: &str) -> PathBuf {
    let uid = Uid::effective();
    let dir = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("taphouse"),
        None if uid.is_root() => PathBuf::from("/run/taphouse"),
        None => std::env::temp_dir().join(format!("taphouse-{uid}")),
    };
    dir.join(format!("{tap}.sock"))
}

/// Listens at a path, or at the default one; `None` if that is "none", or if the default one cannot be had.
pub(crate) fn listen(path: Option<&Path>, tap: &str) -> Result<Option<(UnixListener, Guard)>, String> {
    match path {
        Some(path) if path.as_os_str() == "none" => Ok(None),
        Some(path) => bind(path).map(Some).map_err(|why| format!("--control: {}: {why}", path.display())),
        None => {
            let path = default_path(tap);
            let made = make_directory(path.parent().unwrap_or(Path::new("/"))).and_then(|()| bind(&path));
            match made {
                Ok(made) => Ok(Some(made)),
                Err(why) => {
                    // Nobody asked for it, so serving goes on.
                    log::warn!(
                        "{}: {why}; taphouse ctl will not reach this house (see --control)",
                        path.display()
                    );
                    Ok(None)
                }
            }
        }
    }
}

fn make_directory(dir: &Path) -> Result<(), String> {
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.to_string()),
    }
    // In a directory that anybody writes to, the name may have been taken before us.
    let found = fs::symlink_metadata(dir).map_err(|e| e.to_string())?;
    if !found.is_dir() || found.uid() != Uid::effective().as_raw() || found.mode() & 0o022 != 0 {
        return Err(format!("{} is not a directory of ours alone", dir.display()));
    }
    Ok(())
}

fn bind(path: &Path) -> Result<(UnixListener, Guard), String> {
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err("is there already, and is no socket".to_owned());
        }
        match UnixStream::connect(path) {
            Ok(_) => return Err("another running house listens there".to_owned()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(format!("is there already, and not ours: {error}")),
        }
        if found.uid() != Uid::effective().as_raw() {
            return Err("is another user's".to_owned());
        }
        // Left behind by a house that is gone.
        fs::remove_file(path).map_err(|e| e.to_string())?;
    }
    // Made with no right for anybody else, not given and then taken away.
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound.map_err(|e| e.to_string())?;
    Ok((listener, Guard(path.to_owned())))
}
