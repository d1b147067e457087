//! Which member of a zip archive is the image, and whether it can be unpacked here.

use std::io::{Read, Seek};

/// The maximum number of members of a zip archive with an image.
pub(crate) const ZIP_MEMBERS: usize = 10_000;

/// A member of a zip archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// Its unpacked size, in bytes.
    pub size: u64,
    /// Its place in the archive.
    pub index: usize,
}

/// Returns the image in a zip archive: the largest member called `*.img`.
///
/// # Errors
/// Why it is not supported, and what to do: two have the same size, it is behind a password, or
/// packed with another method than the usual ones of zip.
pub(crate) fn largest_image<R: Read + Seek>(archive: &mut zip::ZipArchive<R>) -> Result<Option<Member>, String> {
    let mut largest: Option<Member> = None;
    let mut twin = None;
    for index in 0..archive.len().min(ZIP_MEMBERS) {
        let Ok(member) = archive.by_index_data(index) else {
            continue;
        };
        let is_image = member.name_raw().to_ascii_lowercase().ends_with(b".img") && member.is_file();
        let most = largest.map_or(0, |member| member.size);
        if is_image && (largest.is_none() || member.size() > most) {
            largest = Some(Member {
                size: member.size(),
                index,
            });
            twin = None;
        } else if is_image && member.size() == most {
            twin = twin.or(Some(index));
        }
    }
    let Some(image) = largest else { return Ok(None) };
    let name = |archive: &zip::ZipArchive<R>, index| {
        let member = archive.by_index_data(index);
        member.map_or_else(
            |_| String::new(),
            |member| String::from_utf8_lossy(member.name_raw()).into_owned(),
        )
    };
    if let Some(twin) = twin {
        let (one, other) = (name(archive, image.index), name(archive, twin));
        return Err(format!(
            "there are two images of the same size in it, {one:?} and {other:?}; unpack the one that is meant, and name it"
        ));
    }
    if let Ok(member) = archive.by_index_raw(image.index) {
        if member.encrypted() {
            return Err(
                "its image is behind a password; unpack it yourself, and name the .img that comes of it".into(),
            );
        }
        let method = member.compression();
        if ![zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated].contains(&method) {
            let number = method_number(method);
            let method = match METHODS.iter().find(|(known, _)| *known == number) {
                Some((_, name)) => (*name).to_owned(),
                None => format!("method {number}"),
            };
            return Err(format!(
                "its image is packed with {method}, which is not unpacked here; unpack it with 7-Zip (`7z x FILE`) or Windows' Explorer, \
                 and name the .img that comes of it"
            ));
        }
    }
    Ok(Some(image))
}

/// Methods of APPNOTE.TXT 4.4.5.
const METHODS: [(u16, &str); 7] = [
    (9, "Deflate64"),
    (12, "bzip2"),
    (14, "LZMA"),
    (93, "zstd"),
    (95, "xz"),
    (98, "PPMd"),
    (99, "AES"),
];

// The library marks the numbers of methods that it does not know as deprecated, and offers no other
// way to get them.
#[allow(deprecated)]
fn method_number(method: zip::CompressionMethod) -> u16 {
    match method {
        zip::CompressionMethod::Unsupported(number) => number,
        _ => 0,
    }
}
