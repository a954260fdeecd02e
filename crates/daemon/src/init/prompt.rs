//! Questions to the person at the terminal (api §5.2, §5.4).

use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use std::io::{self, BufRead, Write};
use zeroize::Zeroizing;

/// How often a question is repeated before silence counts as no.
const ATTEMPTS: usize = 3;

/// No answer could be had.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// Input ended before an answer.
    #[error("the input ended before an answer; use --force to go on without the question")]
    Closed,
    /// Input ended before a secret, or the person interrupted.
    #[error("no secret was given")]
    NoSecret,
    /// The terminal failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Asks a question until it is answered: `y` is yes; `n`, nothing, or three other answers are no.
///
/// # Errors
/// Input ended before an answer: that is neither.
pub fn confirm(question: &str, input: &mut dyn BufRead, output: &mut dyn Write) -> Result<bool, PromptError> {
    for _ in 0..ATTEMPTS {
        write!(output, "{question} ")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(PromptError::Closed);
        }
        match line.trim() {
            "y" | "Y" => return Ok(true),
            "n" | "N" | "" => return Ok(false),
            _ => writeln!(output, "Please press either 'y' or 'n'")?,
        }
    }
    Ok(false)
}

/// Asks a question on standard input and output.
///
/// # Errors
/// As [`confirm`].
pub fn confirm_on_terminal(question: &str) -> Result<bool, PromptError> {
    confirm(question, &mut io::stdin().lock(), &mut io::stdout().lock())
}

/// Asks for the cluster secret on standard input; a terminal does not show what is typed.
pub(super) fn secret_on_terminal() -> Result<Zeroizing<String>, PromptError> {
    let mut output = io::stdout().lock();
    write!(output, "Enter cluster secret (32-byte hex string): ")?;
    output.flush()?;
    let mut line = Zeroizing::new(String::new());
    let hidden = Hidden::begin();
    let read = io::stdin().lock().read_line(&mut line)?;
    if hidden.is_some() {
        writeln!(output)?;
    }
    drop(hidden);
    let interrupted = line.contains('\u{3}');
    if read == 0 || interrupted {
        return Err(PromptError::NoSecret);
    }
    Ok(Zeroizing::new(line.trim().to_owned()))
}

/// Keeps a terminal from showing what is typed, until dropped.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn begin() -> Option<Self> {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut quiet = before.clone();
        // Without ISIG an interrupt arrives as a letter, so that the terminal is always put back.
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(input: &str) -> (Result<bool, PromptError>, String) {
        let mut output = Vec::new();
        let result = confirm("Go on? [y/n]:", &mut input.as_bytes(), &mut output);
        (result, String::from_utf8(output).unwrap())
    }

    #[test]
    fn answers_are_read_as_documented() {
        for (input, expected) in [("y\n", true), ("Y\n", true), ("n\n", false), ("N\n", false), ("\n", false)]
        {
            assert_eq!(answer(input).0.unwrap(), expected, "{input:?}");
        }
        let (result, output) = answer("what\nyes\ny\n");
        assert!(result.unwrap());
        assert_eq!(output.matches("Please press either 'y' or 'n'").count(), 2);
        let (result, output) = answer("a\nb\nc\ny\n");
        assert!(!result.unwrap());
        assert_eq!(output.matches("Go on?").count(), 3);
        assert!(matches!(answer("").0, Err(PromptError::Closed)));
        assert!(matches!(answer("maybe\n").0, Err(PromptError::Closed)));
    }
}
