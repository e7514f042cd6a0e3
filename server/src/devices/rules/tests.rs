//! The watcher's decisions on GPUs that are made up.
#![allow(clippy::unwrap_used)]

use drydock_appliance::devices::FaultKind;
use insta::assert_snapshot;

use super::{
    super::store::{Frees, State},
    *,
};

const GIB: u64 = 1 << 30;

/// What there is, changed by a test before it looks.
struct World {
    start: Instant,
    after: Duration,
    rows: Vec<GpuRow>,
    readings: Vec<GpuReading>,
    pass: u64,
    silent: Duration,
    faults: Vec<GpuFault>,
    programs: Vec<Program>,
    holders: Vec<Holder>,
    memory: Memory,
}

fn row(uuid: &str, number: u32) -> GpuRow {
    GpuRow {
        uuid: uuid.into(),
        parent_uuid: None,
        name: "H100".into(),
        number,
        memory_bytes: 16 * GIB,
        foreign_bytes: 0,
        is_divided: false,
        sharable: true,
        state: State::Usable,
        reason: None,
        state_since: 0,
        frees: None,
        boot_id: None,
        frees_itself_at: None,
    }
}

fn reading(row: &GpuRow) -> GpuReading {
    GpuReading {
        index: row.number,
        uuid: row.uuid.clone(),
        parent_uuid: row.parent_uuid.clone(),
        is_divided: row.is_divided,
        name: row.name.clone(),
        memory_total_bytes: row.memory_bytes,
        ..GpuReading::default()
    }
}

fn holder(workload: &str, gpu: &str, gib: Option<u64>) -> Holder {
    Holder {
        workload: workload.into(),
        generation: 1,
        gpu: gpu.into(),
        memory_bytes: gib.map(|gib| gib * GIB),
        is_live: true,
        is_over: false,
        container: Some(format!("container-{workload}")),
    }
}

fn program(gpu: &str, pid: u32, gib: u64, container: Option<&str>) -> Program {
    let container = container.map(str::to_owned);
    Program { gpu: gpu.into(), pid, name: "python3".into(), memory_bytes: gib * GIB, container }
}

impl World {
    /// Two GPUs that were read once.
    fn new() -> World {
        let rows = vec![row("A", 0), row("B", 1)];
        World {
            start: Instant::now(),
            after: Duration::ZERO,
            readings: rows.iter().map(reading).collect(),
            rows,
            pass: 1,
            silent: Duration::ZERO,
            faults: vec![],
            programs: vec![],
            holders: vec![],
            memory: Memory::default(),
        }
    }

    /// Looks after another second and another reading; faults are told once. Answers the steps, one a line.
    fn look(&mut self) -> String {
        self.after += Duration::from_secs(1);
        self.pass += 1;
        let faults = std::mem::take(&mut self.faults);
        let look = Look {
            now_ms: i64::try_from(self.after.as_millis()).unwrap(),
            now: self.start + self.after,
            boot_id: "now",
            rows: &self.rows,
            readings: &self.readings,
            pass: self.pass,
            silent: self.silent,
            faults: &faults,
            programs: &self.programs,
            holders: &self.holders,
        };
        watch(&mut self.memory, &look).iter().map(told).collect::<Vec<_>>().join("\n")
    }

    fn fault(&mut self, uuid: &str, kind: FaultKind) {
        self.faults.push(GpuFault { uuid: uuid.into(), kind });
    }

    fn quarantine(&mut self, frees: Frees, boot_id: &str) {
        let first = &mut self.rows[0];
        (first.state, first.frees, first.boot_id) = (State::Quarantined, Some(frees), Some(boot_id.into()));
    }
}

fn told(step: &Step) -> String {
    match step {
        Step::Put(facts) => format!("put {} {} GiB", facts.uuid, facts.memory_bytes / GIB),
        Step::Quarantine { gpu, kind, code, words, frees } => {
            format!("quarantine {gpu} ({kind} {code:?}, until {}): {words}", frees.as_str())
        }
        Step::Tell { gpu, kind, words, .. } => format!("tell {gpu} ({kind}): {words}"),
        Step::Missing { gpu } => format!("missing {gpu}"),
        Step::Back { gpu } => format!("back {gpu}"),
        Step::Free { gpu, words } => format!("free {gpu}: {words}"),
        Step::FreesItselfAt { gpu, at } => format!("{gpu} frees itself at {at:?}"),
        Step::Foreign { gpu, bytes } => format!("foreign {gpu} {} GiB", bytes / GIB),
        Step::End { workload, generation } => format!("end {workload}#{generation}"),
        Step::Over { gpu, workload, generation, words } => format!("over {gpu} {workload}#{generation}: {words}"),
    }
}

#[test]
fn a_new_gpu_gets_a_row_and_a_known_one_costs_nothing() {
    let mut world = World::new();
    assert_eq!(world.look(), "");
    world.rows.clear();
    world.readings[1].memory_total_bytes = 8 * GIB;
    assert_snapshot!(world.look(), @r"
    put A 16 GiB
    put B 8 GiB
    ");
}

#[test]
fn every_fault_of_the_list_takes_the_gpu_out_of_use() {
    let mut world = World::new();
    let kinds = [13, 31, 48, 63, 64, 74, 79, 94, 95].map(FaultKind::Xid).into_iter();
    for kind in kinds.chain([FaultKind::DoubleBitEcc, FaultKind::Gone]) {
        world.fault("A", kind);
    }
    assert_snapshot!(world.look(), @r"
    quarantine A (xid Some(13), until quiet): GPU 0 (H100) failed: Xid 13, the program made an error in a computation (graphics engine exception).
    quarantine A (xid Some(31), until quiet): GPU 0 (H100) failed: Xid 31, the program reached for memory that is not its own (MMU fault).
    quarantine A (xid Some(48), until boot): GPU 0 (H100) failed: Xid 48, memory errors that could not be mended (double-bit ECC).
    quarantine A (xid Some(63), until quiet): GPU 0 (H100) failed: Xid 63, a row of memory was replaced; this takes hold when the GPU is reset.
    quarantine A (xid Some(64), until boot): GPU 0 (H100) failed: Xid 64, a row of memory could not be replaced.
    quarantine A (xid Some(74), until boot): GPU 0 (H100) failed: Xid 74, the link to another GPU failed (NVLink).
    quarantine A (xid Some(79), until boot): GPU 0 (H100) failed: Xid 79, it has fallen off the bus.
    quarantine A (xid Some(94), until quiet): GPU 0 (H100) failed: Xid 94, a memory error that hit one program alone (contained).
    quarantine A (xid Some(95), until boot): GPU 0 (H100) failed: Xid 95, a memory error that may have hit all programs (uncontained).
    quarantine A (ecc None, until boot): GPU 0 (H100) failed: memory errors that could not be mended.
    quarantine A (gone None, until boot): GPU 0 (H100) failed: it has fallen off the bus, or needs a reset.
    ");
}

#[test]
fn what_a_program_did_to_itself_is_only_told() {
    let mut world = World::new();
    world.fault("A", FaultKind::Xid(45));
    world.fault("A", FaultKind::Xid(0));
    world.fault("nobody", FaultKind::Xid(79));
    assert_snapshot!(world.look(), @r"
    tell A (xid): GPU 0 (H100): Xid 45, the program was ended.
    tell A (xid): GPU 0 (H100): an Xid whose number it does not tell.
    ");
}

#[test]
fn a_fault_of_a_divided_gpu_reaches_its_instances_only_if_it_is_the_hardware() {
    let mut world = World::new();
    world.rows[0].is_divided = true;
    world.rows.push(GpuRow { parent_uuid: Some("A".into()), name: "H100 MIG 1g".into(), ..row("MIG-1", 0) });
    world.readings = world.rows.iter().map(reading).collect();
    world.fault("A", FaultKind::Xid(31));
    assert_snapshot!(world.look(), @"tell A (xid): GPU 0 (H100): Xid 31, the program reached for memory that is not its own (MMU fault).");
    world.fault("A", FaultKind::Xid(79));
    assert_snapshot!(world.look(), @r"
    quarantine A (xid Some(79), until boot): GPU 0 (H100) failed: Xid 79, it has fallen off the bus.
    quarantine MIG-1 (xid Some(79), until boot): GPU 0 (H100) failed: Xid 79, it has fallen off the bus.
    ");
}

#[test]
fn a_driver_that_hangs_takes_out_what_is_usable() {
    let mut world = World::new();
    world.silent = Duration::from_secs(5);
    assert_eq!(world.look(), "");
    world.silent = Duration::from_secs(6);
    world.quarantine(Frees::Hand, "now");
    assert_snapshot!(world.look(), @"quarantine B (silent None, until boot): GPU 1 (H100) failed: the NVIDIA driver does not answer.");
    // the first answer may take longer
    let mut early = World { pass: 0, ..World::new() };
    early.silent = Duration::from_secs(30);
    early.readings.clear();
    let look = Look { pass: 0, ..look_of(&early) };
    assert_eq!(watch(&mut Memory::default(), &look), vec![]);
    let look = Look { silent: Duration::from_secs(60), ..look };
    assert_eq!(watch(&mut Memory::default(), &look).len(), 2);
}

fn look_of(world: &World) -> Look<'_> {
    Look {
        now_ms: 0,
        now: world.start,
        boot_id: "now",
        rows: &world.rows,
        readings: &world.readings,
        pass: world.pass,
        silent: world.silent,
        faults: &world.faults,
        programs: &world.programs,
        holders: &world.holders,
    }
}

#[test]
fn a_gpu_that_is_not_read_is_missing_or_if_somebody_has_it_failed() {
    let mut world = World::new();
    world.holders.push(holder("job", "B", None));
    world.readings.clear();
    assert_eq!((world.look(), world.look()), (String::new(), String::new()));
    assert_snapshot!(world.look(), @r"
    missing A
    quarantine B (gone None, until boot): GPU 1 (H100) failed: it does not answer any more.
    ");
    world.rows[0].state = State::Missing;
    world.rows[1].state = State::Quarantined;
    assert_eq!(world.look(), "");
    world.readings = world.rows.iter().map(reading).collect();
    assert_eq!(world.look(), "back A");
}

#[test]
fn a_quarantine_ends_after_half_a_minute_of_quiet() {
    let mut world = World::new();
    world.quarantine(Frees::Quiet, "now");
    world.programs.push(program("A", 7, 1, Some("container-x")));
    world.rows[0].foreign_bytes = GIB;
    assert_snapshot!(world.look(), @"tell A (foreign): python3 (process 7) in the container container-x was not started by Drydock and holds 1.0 GiB.");
    world.programs.clear();
    world.rows[0].foreign_bytes = 0;
    assert_eq!(world.look(), "A frees itself at Some(32000)");
    world.rows[0].frees_itself_at = Some(32000);
    for _ in 0..10 {
        assert_eq!(world.look(), "");
    }
    // another fault: it begins anew
    world.fault("A", FaultKind::Xid(31));
    assert!(world.look().starts_with("quarantine A"));
    world.rows[0].frees_itself_at = None;
    assert_eq!(world.look(), "A frees itself at Some(44000)");
    world.rows[0].frees_itself_at = Some(44000);
    for _ in 0..29 {
        assert_eq!(world.look(), "");
    }
    assert_eq!(world.look(), "free A: GPU 0 (H100) has been quiet for 30 s: usable again.");
}

#[test]
fn a_container_that_takes_its_time_to_end_keeps_the_gpu_from_others() {
    let mut world = World::new();
    world.quarantine(Frees::Quiet, "now");
    world.holders = vec![Holder { is_live: false, ..holder("slow", "A", None) }];
    for _ in 0..40 {
        assert_eq!(world.look(), "");
    }
    world.holders[0].is_over = true;
    assert_eq!(world.look(), "A frees itself at Some(71000)");
}

#[test]
fn hardware_that_failed_waits_for_a_restart_and_an_admins_word_for_the_admin() {
    let mut world = World::new();
    world.quarantine(Frees::Boot, "now");
    assert_eq!(world.look(), "");
    world.quarantine(Frees::Hand, "before");
    assert_eq!(world.look(), "");
    world.quarantine(Frees::Boot, "before");
    assert_eq!(world.look(), "A frees itself at Some(33000)");
}

#[test]
fn two_readings_above_its_share_name_the_container_once() {
    let mut world = World::new();
    world.holders = vec![holder("greedy", "A", Some(4)), holder("modest", "A", Some(4)), holder("whole", "B", None)];
    world.programs = vec![
        program("A", 1, 3, Some("container-greedy")),
        program("A", 2, 3, Some("container-greedy")),
        program("A", 3, 4, Some("container-modest")),
        program("B", 4, 16, Some("container-whole")),
    ];
    assert_eq!(world.look(), "");
    assert_snapshot!(world.look(), @"over A greedy#1: It used 6.0 GiB of GPU 0 (H100), 4.0 GiB were asked for.");
    assert_eq!(world.look(), "");
    // back below, then above again: it counts anew
    world.programs.remove(0);
    assert_eq!(world.look(), "");
    world.programs.push(program("A", 5, 2, Some("container-greedy")));
    assert_eq!(world.look(), "");
    assert!(world.look().starts_with("over A greedy"));
}

#[test]
fn programs_outside_are_named_once_and_what_they_hold_is_not_promised() {
    let mut world = World::new();
    world.programs = vec![program("A", 77, 2, None)];
    assert_snapshot!(world.look(), @r"
    tell A (foreign): python3 (process 77) was not started by Drydock and holds 2.0 GiB.
    foreign A 2 GiB
    ");
    world.rows[0].foreign_bytes = 2 * GIB;
    assert_eq!(world.look(), "");
    // what a lease that just ended leaves behind is on its way out: not named, not promised
    world.programs = vec![program("A", 78, 5, Some("container-ended"))];
    world.holders = vec![Holder { is_live: false, ..holder("ended", "A", None) }];
    assert_eq!(world.look(), "foreign A 5 GiB");
    world.rows[0].foreign_bytes = 5 * GIB;
    world.programs.clear();
    assert_eq!(world.look(), "foreign A 0 GiB");
}

#[test]
fn a_lease_that_outlived_its_workload_ends() {
    let mut world = World::new();
    world.holders = vec![Holder { is_over: true, ..holder("gone", "A", None) }, holder("here", "B", None)];
    assert_eq!(world.look(), "end gone#1");
}

#[test]
fn a_pass_without_a_new_reading_judges_no_reading_twice() {
    let mut world = World::new();
    world.holders = vec![holder("greedy", "A", Some(1))];
    world.programs = vec![program("A", 1, 3, Some("container-greedy"))];
    let mut memory = Memory::default();
    for _ in 0..5 {
        assert_eq!(watch(&mut memory, &look_of(&world)), vec![]);
    }
}
