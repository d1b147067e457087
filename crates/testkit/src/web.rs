//! A `Fetch` over the network for tests: plain requests, and a folder that keeps files by their
//! hash.

use std::cell::RefCell;
use std::io::Read;
use std::path::PathBuf;

use kraken_debian::Fetch;
use kraken_foundation::{Error, Kind, Result};
use url::Url;

use kraken_foundation::Sha256Hash;

/// Fetches over the network; a file that is known by its hash is fetched once.
pub struct Web {
    folder: PathBuf,
    agent: ureq::Agent,
    /// Requested paths, in order.
    pub log: RefCell<Vec<String>>,
}

impl Web {
    pub fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Self {
            folder,
            agent: config.build().into(),
            log: RefCell::default(),
        }
    }

    /// Returns the body, if it has at most `most` bytes; `None` for 404.
    fn get(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>> {
        self.log.borrow_mut().push(url.path().to_owned());
        let failed = |why: String| Error::new(Kind::Network, format!("fetching {url}: {why}"));
        let response = self
            .agent
            .get(url.as_str())
            .call()
            .map_err(|error| failed(error.to_string()))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => return Err(failed(format!("the server answered {status}"))),
        }
        let mut bytes = Vec::new();
        let mut body = response.into_body().into_reader().take(most + 1);
        body.read_to_end(&mut bytes)
            .map_err(|error| failed(error.to_string()))?;
        if bytes.len() as u64 > most {
            return Err(failed(format!("more than {most} bytes arrive")));
        }
        Ok(Some(bytes))
    }
}

impl Fetch for Web {
    fn text(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>> {
        self.get(url, most)
    }

    /// Returns whatever is served: the caller must check that it is the right file.
    fn file(&self, url: &Url, size: u64, sha256: &Sha256Hash) -> Result<PathBuf> {
        let path = self.folder.join(sha256.to_string());
        if !path.is_file() {
            let bytes = self.get(url, size.max(1 << 20))?;
            let bytes = bytes.ok_or_else(|| Error::new(Kind::NotFound, format!("fetching {url}: not found")))?;
            std::fs::write(&path, bytes).expect("writing a file");
        }
        Ok(path)
    }
}
