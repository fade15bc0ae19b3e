//! Lines that a learner types.

use std::io::{IsTerminal, stdin};

use tokio::sync::mpsc;

/// Standard input, if it is a terminal.
#[derive(Debug)]
pub struct Learner(Option<mpsc::UnboundedReceiver<String>>);

impl Learner {
    /// Reads standard input from now on.
    pub fn at_terminal() -> Self {
        if !stdin().is_terminal() {
            return Self(None);
        }
        let (sender, lines) = mpsc::unbounded_channel();
        // a thread that the end of the program does not wait for, as it would for a read by tokio
        std::thread::spawn(move || {
            let mut lines = stdin().lines().map_while(Result::ok);
            lines.all(|line| sender.send(line).is_ok())
        });
        Self(Some(lines))
    }

    /// Whether there may be lines.
    pub fn answers(&self) -> bool {
        self.0.is_some()
    }

    /// The next line; never, where there are none.
    pub async fn line(&mut self) -> String {
        if let Some(lines) = &mut self.0
            && let Some(line) = lines.recv().await
        {
            return line;
        }
        self.0 = None; // the terminal is closed
        std::future::pending().await
    }
}
