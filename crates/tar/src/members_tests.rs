//! Archives that the crate `tar` wrote, and hostile ones.

use std::io::Cursor;

use super::*;

fn read(bytes: &[u8]) -> io::Result<Vec<Member>> {
    let mut members = Members::new(Cursor::new(bytes))?;
    let mut found = Vec::new();
    while let Some(member) = members.next_member()? {
        found.push(member);
    }
    Ok(found)
}

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o4755);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(3);
    header
}

fn content<'a>(archive: &'a [u8], member: &Member) -> &'a [u8] {
    &archive[member.content.offset as usize..member.content.end() as usize]
}

#[test]
fn names_of_every_form_are_read() {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(90));
    let longest = "x/".repeat(150) + "end";
    let mut ustar = header(tar::EntryType::Regular, 2);
    ustar.set_path(&long).unwrap();
    ustar.set_cksum();
    builder.append(&ustar, &b"ab"[..]).unwrap();
    let mut gnu = tar::Header::new_gnu();
    gnu.set_size(0);
    builder.append_data(&mut gnu, &longest, &b""[..]).unwrap();
    let records = [
        ("path", &b"not\xffutf-8"[..]),
        ("SCHILY.xattr.user.a", b"1\n2=\n"),
        ("mtime", b"-1.5"),
    ];
    builder.append_pax_extensions(records).unwrap();
    let mut pax = header(tar::EntryType::Regular, 3);
    pax.set_path("short").unwrap();
    pax.set_cksum();
    builder.append(&pax, &b"xyz"[..]).unwrap();
    let mut link = header(tar::EntryType::Symlink, 0);
    link.set_path("l").unwrap();
    link.set_link_name("../target").unwrap();
    link.set_cksum();
    builder.append(&link, io::empty()).unwrap();
    let archive = builder.into_inner().unwrap();
    let members = read(&archive).unwrap();
    let names: Vec<&[u8]> = members.iter().map(|member| member.name.as_slice()).collect();
    assert_eq!(names, [long.as_bytes(), longest.as_bytes(), b"not\xffutf-8", b"l"]);
    assert_eq!(content(&archive, &members[0]), b"ab");
    assert_eq!(content(&archive, &members[2]), b"xyz");
    assert_eq!(members[2].xattrs[&b"user.a"[..]], b"1\n2=\n");
    let back = Time {
        seconds: -2,
        nanoseconds: 500_000_000,
    };
    assert_eq!(members[2].mtime, back);
    assert_eq!(members[0].mtime.seconds, 3);
    assert_eq!((members[0].mode, members[0].uid, members[0].gid), (0o4755, 1, 2));
    assert_eq!(
        (members[3].kind, members[3].link.as_slice()),
        (Type::Symlink, &b"../target"[..])
    );
    // Headers and paddings are what is between the contents.
    assert_eq!((members[0].header, members[1].header), (0, 1024));
    assert_eq!(members[2].header, members[1].content.end());
}

#[test]
fn large_numbers_are_read() {
    let mut gnu = tar::Header::new_gnu();
    gnu.set_path("a").unwrap();
    gnu.set_size(0);
    gnu.set_uid(3_000_000);
    gnu.set_gid(u64::from(u32::MAX) - 1);
    gnu.set_entry_type(tar::EntryType::Block);
    gnu.set_device_major(259).unwrap();
    gnu.set_device_minor(70_000).unwrap();
    gnu.as_old_mut().mtime = *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf6";
    gnu.set_cksum();
    let member = read(gnu.as_bytes()).unwrap().remove(0);
    assert_eq!((member.uid, member.gid), (3_000_000, u32::MAX - 1));
    let device = Device {
        major: 259,
        minor: 70_000,
    };
    assert_eq!((member.kind, member.device), (Type::Block, device));
    assert_eq!(member.mtime.seconds, -10);
}

#[test]
fn the_end_is_recognised_in_every_form() {
    let mut file = header(tar::EntryType::Regular, 1);
    file.set_path("a").unwrap();
    file.set_cksum();
    let one = [&file.as_bytes()[..], b"x", &[0; 511]].concat();
    for zeros in [0, 512, 1024, 10_240] {
        let archive = [&one[..], &vec![0; zeros]].concat();
        assert_eq!(read(&archive).unwrap().len(), 1, "{zeros}");
    }
    let trailing = [&one[..], &[0; 1024], b"anything"].concat();
    assert_eq!(read(&trailing).unwrap().len(), 1);
    let between = [&one[..], &[0; 512], &one[..]].concat();
    assert!(read(&between).is_err());
}

#[test]
fn damaged_archives_are_refused() {
    let member = |kind: u8, size: u64, body: &[u8]| {
        let mut header = header(tar::EntryType::new(kind), size);
        header.set_path("a").unwrap();
        header.set_cksum();
        [
            &header.as_bytes()[..],
            body,
            &vec![0; padding(body.len() as u64) as usize],
        ]
        .concat()
    };
    for (why, archive) in [
        ("cut off", member(b'0', 1000, b"x")),
        ("cut off", member(b'0', 0o777_7777_7777, b"")),
        ("longer than any", member(b'L', 1 << 20, &[b'a'; 1 << 20])),
        ("longer than any", member(b'x', 2 << 20, &vec![b'a'; 2 << 20])),
        ("belongs to no member", member(b'L', 2, b"a\0")),
        ("too many", member(b'L', 2, b"a\0").repeat(100)),
        ("not LENGTH", member(b'x', 5, b"hello")),
        ("not a number", member(b'x', 9, b"9 uid=-1\n")),
        ("not a number", member(b'x', 13, b"13 size=0x12\n")),
        ("checksum", vec![b'x'; 512]),
        ("", vec![b'x'; 100]),
    ] {
        let error = read(&archive).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn only_files_have_a_content() {
    let mut link = header(tar::EntryType::Link, 700);
    link.set_path("b").unwrap();
    link.set_link_name("a").unwrap();
    link.set_cksum();
    let mut file = header(tar::EntryType::Regular, 0);
    file.set_path("c").unwrap();
    file.set_cksum();
    let archive = [&link.as_bytes()[..], &file.as_bytes()[..]].concat();
    let members = read(&archive).unwrap();
    assert_eq!(members.len(), 2);
    assert_eq!((members[0].kind, members[0].content.length), (Type::HardLink, 0));
    let global = {
        let mut header = header(tar::EntryType::XGlobalHeader, 12);
        header.set_path("pax_global_header").unwrap();
        header.set_cksum();
        [&header.as_bytes()[..], b"12 a=bcdefg\n", &[0; 500], &archive].concat()
    };
    let members = read(&global).unwrap();
    assert_eq!((members[0].kind, members[0].content.length), (Type::GlobalHeader, 0));
    assert_eq!(members[1].header, 1024);
}
