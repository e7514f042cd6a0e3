//! Promises of the decision about room.
#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;

use super::*;

const GIB: u64 = 1 << 30;

/// A box of 4 cores and 16 GiB, with so many GPUs of 16 GiB.
fn room(gpus: u32) -> Room {
    let gpu = |number: u32| Gpu {
        room: GpuRoom {
            uuid: format!("GPU-{number}"),
            memory_bytes: 16 * GIB,
            total_bytes: 16 * GIB,
            usable: true,
            sharable: true,
            note: None,
        },
        number,
        name: "T4".into(),
    };
    Room { gpus: (0..gpus).map(gpu).collect(), cpus: 4, memory_bytes: 16 * GIB }
}

fn ask(gpus: u32, share: Option<u64>, replicas: u32) -> Ask {
    let gpu_memory_bytes = share.map(|gib| gib * GIB);
    Ask { resources: Resources { cpus: 1.0, memory_bytes: GIB, gpus, gpu_memory_bytes, disk_bytes: None }, replicas }
}

fn holding(whose: Whose, gpu: u32, share: Option<u64>) -> Holding {
    let memory_bytes = share.map(|gib| gib * GIB);
    let lease = Held { workload: "w".into(), generation: 1, uuid: format!("GPU-{gpu}"), memory_bytes, taken_at: 0 };
    let (kind, name, revision) = match whose {
        Whose::Replaced => ("deployment", "wine", Some(1)),
        Whose::Ending => ("deployment", "wine", Some(2)),
        Whose::Other => ("job", "train", None),
    };
    Holding { lease, whose, kind, name: name.into(), revision }
}

fn decided(ask: &Ask, gpus: u32, held: &[Holding]) -> Decision {
    decide(ask, &room(gpus), held, Some(1))
}

#[test]
fn a_gpu_that_the_old_revision_holds_can_be_had_after_it() {
    let held = [holding(Whose::Replaced, 0, None)];
    let found = decided(&ask(1, None, 1), 1, &held);
    assert_eq!((found.verdict, found.beside, found.after), (FitVerdict::After, FitWhen::Never, FitWhen::Now));
    assert_snapshot!(found.words, @"There is no room for a whole GPU beside revision 1: GPU 0 (T4, GPU-0) has 0 GiB of 16 GiB free, held by revision 1 of deployment 'wine'. It fits once revision 1 has ended.");
    assert_snapshot!(found.way_out.unwrap(), @"Use the release `recreate`, which ends revision 1 first and holds requests meanwhile, or free a whole GPU.");
    assert_eq!(decided(&ask(1, None, 1), 2, &held).verdict, FitVerdict::Beside);
    assert_eq!(decided(&ask(0, None, 1), 1, &held).verdict, FitVerdict::Beside, "what needs none has room always");
}

#[test]
fn what_others_hold_is_waited_for_and_named() {
    let held = [holding(Whose::Replaced, 0, None), holding(Whose::Other, 1, None)];
    let found = decided(&ask(1, None, 1), 2, &held);
    assert_eq!((found.verdict, found.after), (FitVerdict::Waits, FitWhen::Now));
    assert_snapshot!(found.words, @"There is no room yet for a whole GPU: GPU 0 (T4, GPU-0) has 0 GiB of 16 GiB free, held by revision 1 of deployment 'wine'; GPU 1 (T4, GPU-1) has 0 GiB of 16 GiB free, held by job 'train'. It starts as soon as there is.");
    assert_snapshot!(found.way_out.unwrap(), @"Wait, or use the release `recreate`, which ends revision 1 first.");
    let both = decided(&ask(2, None, 1), 2, &held);
    assert_eq!((both.verdict, both.after), (FitVerdict::After, FitWhen::Later));
    assert!(
        both.words.ends_with("once revision 1 has ended, and others have given up what they hold."),
        "{}",
        both.words
    );
    let ending = decided(&ask(1, None, 1), 1, &[holding(Whose::Ending, 0, None)]);
    assert_eq!((ending.verdict, ending.after), (FitVerdict::Waits, FitWhen::Now));
}

#[test]
fn all_replicas_are_counted_one_after_another() {
    let held = [holding(Whose::Replaced, 0, Some(10))];
    assert_eq!(decided(&ask(1, Some(6), 1), 1, &held).verdict, FitVerdict::Beside);
    let two = decided(&ask(1, Some(6), 2), 1, &held);
    assert_eq!((two.verdict, two.after), (FitVerdict::After, FitWhen::Now));
    assert!(two.words.contains("2 replicas with 6 GiB of a GPU each") && two.words.contains("6 GiB of 16 GiB free"));
    assert_eq!(decided(&ask(1, Some(6), 3), 1, &[]).verdict, FitVerdict::Never);
}

#[test]
fn a_gpu_that_failed_is_waited_for() {
    let mut room = room(1);
    room.gpus[0].room.usable = false;
    room.gpus[0].room.note = Some("Xid 79: it has fallen off the bus.".into());
    let found = decide(&ask(1, None, 1), &room, &[], None);
    assert_eq!(found.verdict, FitVerdict::Waits);
    assert!(found.words.contains("free (Xid 79: it has fallen off the bus). It starts"), "{}", found.words);
    room.gpus[0].room = GpuRoom { usable: true, memory_bytes: 2 * GIB, ..room.gpus[0].room.clone() };
    assert_eq!(decide(&ask(1, Some(8), 1), &room, &[], None).verdict, FitVerdict::Waits, "programs outside may end");
}

#[test]
fn what_the_box_does_not_have_it_never_has() {
    let words = |ask: &Ask, gpus: u32| never(ask, &room(gpus)).unwrap();
    assert_snapshot!(words(&ask(1, None, 1), 0), @"This box has no GPU that Drydock can use; ask for 0 GPUs.");
    assert_snapshot!(words(&ask(2, None, 1), 1), @"This box has 1 GPU; 2 were asked for.");
    assert_snapshot!(words(&ask(1, None, 3), 2), @"This box has 2 GPUs; 3 were asked for by 3 replicas together.");
    assert_snapshot!(words(&ask(1, Some(20), 1), 1), @"The largest GPU of this box has 16 GiB of memory; 20 GiB were asked for.");
    assert_snapshot!(words(&ask(1, Some(10), 2), 1), @"The GPUs of this box have room for 1 replica with 10 GiB of GPU memory each; 2 were asked for.");
    let much = |gib: u64, replicas| {
        let mut ask = ask(0, None, replicas);
        ask.resources.memory_bytes = gib * GIB;
        words(&ask, 0)
    };
    assert_snapshot!(much(20, 1), @"This box has 16 GiB of memory; 20 GiB were asked for.");
    assert_snapshot!(much(5, 4), @"This box has 16 GiB of memory; 20 GiB were asked for by 4 replicas together.");
    let mut busy = ask(0, None, 1);
    busy.resources.cpus = 8.0;
    assert_snapshot!(words(&busy, 0), @"This box has 4 cores; 8 were asked for.");
    assert_eq!(decided(&ask(2, None, 1), 1, &[]).verdict, FitVerdict::Never);
}
