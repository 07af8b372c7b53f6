//! Addresses: which may be asked, and which belong to the same server.

use ureq::http::Uri;

/// A server: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The server of an address, if it may be asked: over https, or over http on this machine.
    ///
    /// # Errors
    /// A sentence for people.
    pub(super) fn of(address: &str) -> Result<Self, String> {
        let wrong = || "the address of a server begins with https:// and a host".to_owned();
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(wrong)?;
        // A user's name before the host would hide which host it is.
        if uri
            .authority()
            .is_some_and(|all| all.as_str().contains('@'))
        {
            return Err("an address with a user's name in it is not used".into());
        }
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let origin = Self {
            secure,
            host: host.to_ascii_lowercase(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
        };
        if !secure && !origin.is_this_machine() {
            return Err(format!(
                "the server {host} is to be asked without encryption; only https is used"
            ));
        }
        Ok(origin)
    }

    /// The host, for sentences.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    fn is_this_machine(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    fn text(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// Where a redirect from this server leads.
    ///
    /// # Errors
    /// A sentence for people: encryption is never given up on the way.
    pub(super) fn redirect(&self, location: &str) -> Result<String, String> {
        let target = if location.starts_with('/') && !location.starts_with("//") {
            format!("{}{location}", self.text())
        } else {
            location.to_owned()
        };
        let origin = Self::of(&target)
            .map_err(|reason| format!("{} sends elsewhere, and {reason}", self.host))?;
        if self.secure && !origin.secure {
            return Err(format!(
                "{} sends elsewhere, to an address without encryption, which is not followed",
                self.host
            ));
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers_are_told_apart_by_scheme_host_and_port() {
        let of = |address| Origin::of(address).unwrap();
        assert_eq!(of("https://A.example/x"), of("https://a.example:443"));
        for other in [
            "https://a.example:444",
            "https://b.example",
            "https://a.example.b",
        ] {
            assert_ne!(of("https://a.example"), of(other), "{other}");
        }
        for mine in ["http://localhost:1", "http://127.0.0.9", "http://[::1]:80"] {
            assert!(Origin::of(mine).is_ok(), "{mine}");
        }
        for wrong in [
            "",
            "a.example",
            "file:///etc/passwd",
            "http://a.example",
            "http://localhost.example",
            "https://u:p@a.example",
            "https://a.example@b.example",
        ] {
            assert!(Origin::of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn redirects_stay_encrypted() {
        let secure = Origin::of("https://a.example").unwrap();
        assert_eq!(
            secure.redirect("/x?y").unwrap(),
            "https://a.example:443/x?y"
        );
        assert_eq!(
            secure.redirect("https://b.example/x").unwrap(),
            "https://b.example/x"
        );
        for wrong in [
            "http://b.example",
            "http://127.0.0.1/",
            "//b.example",
            "x",
            "",
        ] {
            assert!(secure.redirect(wrong).is_err(), "{wrong}");
        }
        let mine = Origin::of("http://127.0.0.1:9").unwrap();
        assert!(mine.redirect("https://b.example").is_ok());
        assert!(mine.redirect("http://b.example").is_err());
    }
}
