//! Ports. In: an address. Out: a free port, or the process that uses the wanted one, if it can be determined.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    process::{Command, Stdio},
};

/// Finds a free port of 127.0.0.1.
///
/// # Errors
/// No port is free.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Listens on an address.
///
/// # Errors
/// A message with the address, the process that uses it, and the fix.
pub fn bind(address: SocketAddr, what: &str) -> Result<TcpListener, String> {
    let fix = "choose other ports with --port-base N";
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder(address).unwrap_or_else(|| "another program".to_owned());
            format!(
                "port {} for {what} is in use by {holder}: stop it, or {fix}",
                address.port()
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "--listen `{}` is not an address of this machine ({error})",
                address.ip()
            )
        }
        _ => format!("cannot listen on {address} for {what}: {error}; {fix}"),
    })
}

/// Whether an address is a loopback address.
pub fn is_private(address: IpAddr) -> bool {
    address.is_loopback()
}

/// The process that listens on an address: `name (pid N)`.
fn holder(address: SocketAddr) -> Option<String> {
    by_proc(address).or_else(|| by_lsof(address.port()))
}

/// Linux: finds the socket's inode among the open files of readable processes.
fn by_proc(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let inode = tables
        .iter()
        .flat_map(|table| table.lines())
        .find_map(|line| listening_inode(line, address))?;
    let socket = format!("socket:[{inode}]");
    let is_process = |name: &std::ffi::OsStr| {
        name.to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok())
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    for process in processes.filter(|entry| is_process(&entry.file_name())) {
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let has = files
            .flatten()
            .any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == &*socket));
        if has {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!(
                "{} (pid {})",
                name.trim(),
                process.file_name().display()
            ));
        }
    }
    None
}

/// A line of `/proc/net/tcp` (`proc_pid_net_tcp(5)`): its inode if it listens on this address, or on all.
fn listening_inode(line: &str, address: SocketAddr) -> Option<&str> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (host, port) = fields.get(1)?.rsplit_once(':')?;
    let host = listed_address(host)?;
    let listens = *fields.get(3)? == LISTEN
        && u16::from_str_radix(port, 16) == Ok(address.port())
        && (host.is_unspecified() || host == address.ip());
    fields.get(9).copied().filter(|_| listens)
}

/// An address as the kernel prints it: words of four bytes, each a number of this machine's byte order.
fn listed_address(hex: &str) -> Option<IpAddr> {
    let word = |from: usize| {
        let word = u32::from_str_radix(hex.get(from..from + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let words = [word(0)?, word(8)?, word(16)?, word(24)?];
    let bytes: [u8; 16] = words.concat().try_into().ok()?;
    Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
}

/// Other systems: `lsof`, which macOS has.
fn by_lsof(port: u16) -> Option<String> {
    let mut command = Command::new("lsof");
    command
        .args(["-nP", "-Fpc", "-sTCP:LISTEN", &format!("-iTCP:{port}")])
        .stdin(Stdio::null());
    parse_lsof(&String::from_utf8_lossy(&command.output().ok()?.stdout))
}

/// `p123`, `cname` to `name (pid 123)`.
fn parse_lsof(text: &str) -> Option<String> {
    let field = |letter: char| text.lines().find_map(|line| line.strip_prefix(letter));
    Some(format!("{} (pid {})", field('c')?, field('p')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_in_use_names_its_process() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = taken.local_addr().expect("its address");
        let message = bind(address, "the live view").expect_err("taken");
        assert!(
            message.contains(&format!("(pid {})", std::process::id()))
                && message.contains("--port-base"),
            "{message}"
        );
        assert!(
            bind(SocketAddr::from(([192, 0, 2, 1], 0)), "the live view")
                .expect_err("not ours")
                .contains("--listen")
        );
    }

    #[test]
    fn lines_of_proc_and_lsof_are_parsed() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000";
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let local = address("127.0.0.1:8080");
        assert_eq!(listening_inode(line, local), Some("4242"));
        assert_eq!(listening_inode(line, address("127.0.0.1:8081")), None);
        assert_eq!(listening_inode(line, address("127.0.0.3:8080")), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), local), None);
        for (listed, other) in [
            ("00000000", "127.0.0.3:8080"),
            ("00000000000000000000000000000000", "127.0.0.3:8080"),
            ("00000000000000000000000001000000", "[::1]:8080"),
            ("0000000000000000FFFF00000100007F", "127.0.0.1:8080"),
        ] {
            let line = line.replace("0100007F", listed);
            assert_eq!(listening_inode(&line, address(other)), Some("4242"));
        }
        assert_eq!(
            parse_lsof("p77\ncnginx\nf5\n"),
            Some("nginx (pid 77)".to_owned())
        );
        assert_eq!(parse_lsof(""), None);
    }
}
