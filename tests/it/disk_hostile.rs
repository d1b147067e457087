//! Damaged and malicious images: every function returns an answer or a clear error, and never
//! panics or runs endlessly.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kraken_disk::{
    CowView, FileTree, ImageFile, Layout, NodeType, ReadAt, Slice, UsedMap, WriteAt, apply, check_fat, shortfall,
};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};
use testkit::TestImage;

/// A small deterministic generator (xorshift64), so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn overlay() -> Overlay {
    let mut o = Overlay::new();
    for (volume, at) in [
        (Volume::Root, "/etc/hostname"),
        (Volume::Root, "/etc/new/one"),
        (Volume::Root, "/usr/lib/two"),
        (Volume::Boot, "/user-data"),
        (Volume::Boot, "/new/three"),
        (Volume::Boot, "/config.txt"),
    ] {
        o.insert(
            volume,
            EntryPath::new(at).unwrap(),
            Entry::file(vec![1; 3000], 0o644, 1_750_000_000),
        );
    }
    o.insert(Volume::Root, EntryPath::new("/etc/passwd").unwrap(), Entry::absent());
    o.insert(Volume::Boot, EntryPath::new("/cmdline.txt").unwrap(), Entry::absent());
    o
}

/// Reads a tree, up to this many of its entries.
fn walk(tree: &dyn FileTree) {
    let mut queue = vec![String::new()];
    let mut left = 500;
    while let Some(at) = queue.pop() {
        for name in tree.list(if at.is_empty() { "/" } else { &at }).unwrap_or_default() {
            left -= 1;
            if left == 0 {
                return;
            }
            let path = format!("{at}/{name}");
            let _ = (tree.read(&path, 1 << 20), tree.read_link(&path));
            if let Ok(Some(m)) = tree.metadata(&path)
                && m.node == NodeType::Directory
                && path.len() < 200
            {
                queue.push(path);
            }
        }
    }
}

/// Calls every function of a disk, and returns whether it could be written.
fn try_everything(view: Arc<CowView<Arc<ImageFile>>>, known: &Layout) -> bool {
    let _ = UsedMap::of(view.clone());
    let layout = Layout::detect(view.clone()).unwrap_or_else(|_| known.clone());
    if let Ok(tree) = layout.root_tree(view.clone()) {
        walk(&tree);
    }
    if let Ok(tree) = layout.boot_tree(view.clone()) {
        walk(&tree);
    }
    if let Ok(slice) = Slice::new(view.clone(), layout.boot.start, layout.boot.len) {
        let _ = check_fat(&slice);
    }
    let _ = shortfall(view.clone(), &layout, &overlay());
    apply(view, &layout, &overlay()).is_ok()
}

fn used_metadata(image: &Path, part: (u64, u64)) -> Vec<u64> {
    // The 4 KiB blocks of a partition that are not empty: its metadata, in a volume as small as
    // this.
    let disk = ImageFile::open_read(image).unwrap();
    let mut block = [0; 4096];
    (part.0..part.0 + part.1)
        .step_by(4096)
        .filter(|at| {
            disk.read_at(*at, &mut block).unwrap();
            block.iter().any(|b| *b != 0)
        })
        .collect()
}

fn flip(seeds: std::ops::Range<u64>, flips: u64, ext4: &[&str], boot: bool) {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder()
        .fat_mib(64)
        .root_mib(16)
        .ext4_features(ext4)
        .build(dir.path());
    let file = Arc::new(ImageFile::open_read(&image).unwrap());
    let layout = Layout::detect(file.clone()).unwrap();
    let part = if boot { &layout.boot } else { &layout.root };
    let blocks = used_metadata(&image, (part.start, part.len));
    let mut outcomes = [0, 0];
    for seed in seeds {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
        let view = Arc::new(CowView::new(file.clone()));
        for _ in 0..flips {
            // One flip in eight hits the first two blocks, which have the numbers on which all
            // others depend.
            let index = if random.below(8) == 0 {
                random.below(2)
            } else {
                random.below(blocks.len() as u64)
            };
            let at = blocks[index as usize] + random.below(4096);
            let mut byte = [0];
            view.read_at(at, &mut byte).unwrap();
            view.write_at(at, &[byte[0] ^ (1 << random.below(8))]).unwrap();
        }
        let start = Instant::now();
        outcomes[usize::from(try_everything(view, &layout))] += 1;
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "seed {seed} took {:?}",
            start.elapsed()
        );
    }
    println!("{flips} flips: {} refused, {} written", outcomes[0], outcomes[1]);
    assert!(
        outcomes[0] > 0,
        "not one of the damaged images was refused: the flips miss what matters"
    );
}

#[test]
fn flipped_bits_in_the_boot_volume_never_cause_a_panic() {
    flip(0..60, 4, &[], true);
    flip(60..90, 60, &[], true);
}

#[test]
fn flipped_bits_in_the_root_volume_never_cause_a_panic() {
    flip(0..50, 5, &[], false);
    flip(50..70, 200, &[], false);
}

#[test]
fn flipped_bits_in_a_root_volume_without_checksums_never_cause_a_panic() {
    flip(0..50, 5, &["-O", "^metadata_csum,^64bit"], false);
    flip(50..70, 200, &["-O", "^metadata_csum,^64bit"], false);
}

#[test]
fn an_image_cut_short_is_refused_with_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().fat_mib(64).root_mib(16).build(dir.path());
    let file = std::fs::OpenOptions::new().write(true).open(&image).unwrap();
    for mib in [80, 60, 9, 8, 1] {
        file.set_len(mib << 20).unwrap();
        let disk = Arc::new(ImageFile::open_read(&image).unwrap());
        let error = Layout::detect(disk).unwrap_err().to_string();
        assert!(
            error.contains("past the end") && error.contains("fetch it again"),
            "{mib} MiB: {error}"
        );
    }
    file.set_len(0).unwrap();
    let error = Layout::detect(Arc::new(ImageFile::open_read(&image).unwrap())).unwrap_err();
    assert!(error.to_string().contains("there is none"), "{error}");
}
