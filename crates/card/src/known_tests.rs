//! What cards made now would do to a swarm that may run: the table of decisions.

use super::*;

const M: Role = Role::Manager;
const W: Role = Role::Worker;

fn members(roles: &[Role]) -> Option<Members> {
    Some((1..).zip(roles.iter().copied()).collect())
}

fn cards(numbers: &[u32], by_token: &[u32]) -> BTreeMap<u32, KnownCard> {
    let card = |number: &u32, by_token| {
        let written = "2026-11-29T20:00:00Z".to_owned();
        (*number, KnownCard { written, by_token })
    };
    let members = numbers.iter().map(|number| card(number, false));
    members
        .chain(by_token.iter().map(|number| card(number, true)))
        .collect()
}

/// Returns the nodes of a cluster with these roles.
fn nodes(roles: &[Role]) -> Vec<NodeId> {
    let node = |(number, role): (u8, &Role)| NodeId {
        number: number.into(),
        hostname: format!("kraken-{number}"),
        address: [192, 168, 3, 10 + number].into(),
        role: *role,
    };
    (1..).zip(roles).map(node).collect()
}

/// Returns wishes for those of these nodes that have these numbers.
fn wishes<'a>(nodes: &'a [NodeId], numbers: &[u32]) -> Vec<Wish<'a>> {
    let first = nodes.iter().find(|node| node.role == M);
    let wish = |number: &u32| {
        let node = &nodes[*number as usize - 1];
        let begins = first == Some(node);
        Wish { node, begins }
    };
    numbers.iter().map(wish).collect()
}

/// The table of docs/operations.md: what is known, what kraken.toml has now, what is made, what
/// is reported.
#[test]
fn the_table_of_decisions() {
    use Making::{AllImages, Cards, Plan, SomeImages, Trial};
    let one = Known {
        members: members(&[M, W, W]),
        cards: cards(&[1, 2, 3], &[]),
        ..Known::default()
    };
    let only_first = Known {
        cards: cards(&[1], &[]),
        ..one.clone()
    };
    let three = Known {
        members: members(&[M, M, M, W]),
        cards: cards(&[1, 2, 3, 4], &[]),
        ..Known::default()
    };
    let begun = Known {
        cards: cards(&[1], &[]),
        ..three.clone()
    };
    let token = Known {
        cards: cards(&[1, 3, 4], &[2]),
        ..three.clone()
    };
    let built = Known {
        images: members(&[M, W, W]),
        ..Known::default()
    };
    let damaged = Known {
        unreadable_manifest: Some("reading images/manifest.json: it is damaged".into()),
        ..Known::default()
    };
    let cards_and_damaged = Known {
        unreadable_manifest: damaged.unreadable_manifest.clone(),
        ..one.clone()
    };
    let receipt_damaged = Known {
        unreadable_receipts: vec!["reading the receipt x.json: it is damaged".into()],
        ..Known::default()
    };
    let nothing = Known::default();
    let other_cards = Known {
        other_keys: Some(Evidence::Cards),
        ..Known::default()
    };
    let other_images = Known {
        other_keys: Some(Evidence::Images),
        ..Known::default()
    };
    let one_now: &[Role] = &[M, W, W];
    let four_now: &[Role] = &[M, W, W, W];
    let raised: &[Role] = &[M, M, M];
    let three_now: &[Role] = &[M, M, M, W];
    let lowered: &[Role] = &[M, W, W, W];
    let refused = |harm: Harm| Some(harm.refused());
    let noted = |harm: Harm| Some(harm.noted());
    type Row<'a> = (&'a Known, &'a [Role], Making, &'a [u32], Option<Decision>);
    let rows: &[Row<'_>] = &[
        // Nothing is known: everything is allowed.
        (&nothing, one_now, Cards, &[1], None),
        (&nothing, three_now, Cards, &[2], None),
        (&nothing, three_now, AllImages, &[1, 2, 3, 4], None),
        // The first cards of a cluster, one after the other, in any order.
        (&only_first, one_now, Cards, &[2], None),
        (&begun, three_now, Cards, &[2], None),
        (&begun, three_now, Cards, &[4, 3, 2], None),
        // A worker's card again.
        (&one, one_now, Cards, &[2], None),
        (&three, three_now, Cards, &[4], None),
        (&three, three_now, SomeImages, &[4], None),
        // The only manager's card again.
        (&one, one_now, Cards, &[1], noted(Harm::BeginsAgain)),
        (&one, one_now, SomeImages, &[1], noted(Harm::BeginsAgain)),
        (&one, four_now, Cards, &[1, 4], noted(Harm::BeginsAgain)),
        (&one, raised, Cards, &[1], refused(Harm::FirstAgain)),
        // The card of one of several managers again.
        (&three, three_now, Cards, &[1], refused(Harm::FirstAgain)),
        (&three, three_now, Cards, &[2], refused(Harm::ManagerAgain)),
        (&three, three_now, SomeImages, &[2], refused(Harm::ManagerAgain)),
        (&three, three_now, AllImages, &[2], noted(Harm::ManagerAgain)),
        (&three, three_now, Plan, &[1, 2, 3, 4], None),
        // A node with another role.
        (&one, raised, Cards, &[2], refused(Harm::Role(W))),
        (&only_first, raised, Cards, &[2], refused(Harm::Role(W))),
        (&one, raised, SomeImages, &[2], refused(Harm::Role(W))),
        (&one, raised, AllImages, &[2], refused(Harm::Role(W))),
        (&one, raised, Plan, &[2], refused(Harm::Role(W))),
        (&three, lowered, Cards, &[2], refused(Harm::Role(M))),
        // A new node.
        (&one, four_now, Cards, &[4], refused(Harm::Unknown)),
        (&one, four_now, SomeImages, &[4], refused(Harm::Unknown)),
        (&one, four_now, Plan, &[4], refused(Harm::Unknown)),
        // A node that joined by token.
        (&token, three_now, Cards, &[2], refused(Harm::ByToken)),
        (&token, three_now, AllImages, &[2], noted(Harm::ByToken)),
        (&token, three_now, SomeImages, &[2], refused(Harm::ByToken)),
        (&token, three_now, Plan, &[2], refused(Harm::ByToken)),
        // Only images are known.
        (&built, one_now, Cards, &[1], None),
        (&built, one_now, SomeImages, &[2], None),
        (&built, raised, AllImages, &[2], noted(Harm::Role(W))),
        (&built, raised, SomeImages, &[2], refused(Harm::Role(W))),
        (&built, raised, Cards, &[2], refused(Harm::Role(W))),
        (&built, raised, Cards, &[1], None),
        (&built, four_now, AllImages, &[4], noted(Harm::Unknown)),
        (&built, four_now, SomeImages, &[4], refused(Harm::Unknown)),
        // There is a manifest of images, and it cannot be read. `build` refuses its folder.
        (&damaged, one_now, Cards, &[1], refused(Harm::Unreadable)),
        (&damaged, one_now, Cards, &[2], refused(Harm::Unreadable)),
        (&damaged, one_now, Plan, &[1, 2, 3], refused(Harm::Unreadable)),
        (&damaged, one_now, Cards, &[], noted(Harm::Unreadable)),
        (&damaged, one_now, AllImages, &[1, 2, 3], None),
        (&damaged, one_now, SomeImages, &[2], None),
        (&cards_and_damaged, one_now, Cards, &[2], noted(Harm::Unreadable)),
        (&cards_and_damaged, one_now, Plan, &[1, 2, 3], noted(Harm::Unreadable)),
        // A receipt may be of any card.
        (&receipt_damaged, one_now, Cards, &[1], noted(Harm::UnreadableReceipts)),
        (
            &receipt_damaged,
            one_now,
            SomeImages,
            &[2],
            noted(Harm::UnreadableReceipts),
        ),
        (
            &receipt_damaged,
            one_now,
            Plan,
            &[1, 2, 3],
            noted(Harm::UnreadableReceipts),
        ),
        // Cards or images were made with other keys.
        (&other_cards, one_now, AllImages, &[1, 2, 3], refused(Harm::Stranger)),
        (&other_cards, one_now, Cards, &[2], refused(Harm::Stranger)),
        (&other_images, one_now, AllImages, &[1, 2, 3], noted(Harm::Stranger)),
        (&other_images, one_now, SomeImages, &[2], refused(Harm::Stranger)),
        (&other_images, one_now, Cards, &[1], refused(Harm::Stranger)),
        // What only an emulator boots does no harm, but lost keys are not replaced for it.
        (&one, one_now, Trial, &[1], None),
        (&three, lowered, Trial, &[2], None),
        (&built, four_now, Trial, &[4], None),
        (&receipt_damaged, one_now, Trial, &[1], None),
        (&cards_and_damaged, one_now, Trial, &[1], None),
        (&damaged, one_now, Trial, &[1], refused(Harm::Unreadable)),
        (&other_images, one_now, Trial, &[1], refused(Harm::Stranger)),
    ];
    for (index, (known, roles, making, numbers, wanted)) in rows.iter().enumerate() {
        let managers = roles.iter().filter(|role| **role == M).count();
        let nodes = nodes(roles);
        let said = known.judge(*making, managers, &wishes(&nodes, numbers));
        let found = said.first().map(|remark| Decision {
            harm: remark.harm,
            refuse: remark.refuse,
        });
        assert_eq!(
            found, *wanted,
            "row {index}: {known:?}, {roles:?}, {making:?} {numbers:?}: {said:?}"
        );
        assert!(said.len() <= 1, "row {index}: {said:?}");
        // Advice to do what was done already, or what is not needed, misleads.
        assert!(
            said.iter()
                .all(|remark| remark.refuse || remark.help().is_none_or(|help| !help.contains("--rejoin"))),
            "row {index}: {said:?}"
        );
        assert!(
            said.iter().all(|remark| remark.to_string().len() > 40),
            "row {index}: {said:?}"
        );
    }
}
