//! The licence of the weights, shown before anything is fetched for the first time.

use std::io::{BufRead, IsTerminal as _, Write};
use std::path::Path;

use corridorkey::error::{Error, Result};
use corridorkey::network::greenformer::import::manifest::LICENCE;

use crate::files::{io_reason, make_folder, write_whole};
use crate::report::print_error;

/// Where its text is published.
const READ_IT: &str = "read the LICENSE file of https://github.com/nikopueringer/CorridorKey; \
     CORRIDORKEY-NOTICE.md, beside this program's own licence, tells it in short";
/// Remembers, in the folder of downloads, that it was accepted.
const ACCEPTED: &str = "accepted-licence.txt";

/// Makes sure that the licence was accepted: before, by the option, or now by an answer.
///
/// # Errors
/// [`Error::Usage`] when it was not, [`Error::Output`] when that cannot be remembered.
pub(super) fn agree(folder: &Path, accepted: bool) -> Result<()> {
    let memory = folder.join(ACCEPTED);
    if std::fs::read_to_string(&memory).is_ok_and(|text| text.trim_end() == LICENCE) {
        return Ok(());
    }
    print_error(&format!(
        "CorridorKey's weights are under the {LICENCE}: {READ_IT}."
    ));
    if !accepted {
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(Error::Usage(
                "nothing was downloaded: nobody can be asked here whether the licence is accepted; \
                 read it and run the command with --accept-licence"
                    .into(),
            ));
        }
        if !ask(&mut std::io::stdin().lock(), &mut std::io::stderr()) {
            return Err(Error::Usage(
                "nothing was downloaded: the licence was not accepted".into(),
            ));
        }
    }
    make_folder(folder)?;
    write_whole(&memory, |file| Ok(writeln!(file, "{LICENCE}")?))
}

/// Asks, and takes nothing but a yes for one.
fn ask(input: &mut dyn BufRead, output: &mut dyn Write) -> bool {
    let mut answer = String::new();
    let asked = write!(output, "Do you accept this licence? [y/N] ")
        .and_then(|()| output.flush())
        .and_then(|()| input.read_line(&mut answer));
    if let Err(error) = asked {
        print_error(&io_reason(&error));
        return false;
    }
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("Yes\r\n", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yesterday\n", false),
        ] {
            let mut said = Vec::new();
            assert_eq!(ask(&mut answer.as_bytes(), &mut said), yes, "{answer:?}");
            assert!(String::from_utf8_lossy(&said).ends_with("[y/N] "));
        }
    }
}
