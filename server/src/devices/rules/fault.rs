//! What a fault means. The numbers are NVIDIA's ("Xid Errors", docs.nvidia.com/deploy/xid-errors): which are the program's own, which are
//! contained, and which leave a GPU that nobody should compute on.

use drydock_appliance::devices::FaultKind;

use super::{super::store::Frees, Look, SILENT, SILENT_AT_START, Step};
use crate::devices::store::{GpuRow, State};

/// What a number stands for, and what ends the quarantine that it leads to; of none it is only told.
pub fn meaning(xid: u64) -> (&'static str, Option<Frees>) {
    use Frees::{Boot, Quiet};
    match xid {
        13 => ("the program made an error in a computation (graphics engine exception)", Some(Quiet)),
        31 => ("the program reached for memory that is not its own (MMU fault)", Some(Quiet)),
        32 => ("the program's commands were spoilt (invalid push buffer)", None),
        43 => ("the program stopped by an error of its own", None),
        45 => ("the program was ended", None),
        48 => ("memory errors that could not be mended (double-bit ECC)", Some(Boot)),
        61 | 62 => ("its microcontroller stopped", Some(Boot)),
        63 => ("a row of memory was replaced; this takes hold when the GPU is reset", Some(Quiet)),
        64 => ("a row of memory could not be replaced", Some(Boot)),
        68 => ("its video processor failed", None),
        69 => ("the program made an error in a computation (class error)", None),
        74 => ("the link to another GPU failed (NVLink)", Some(Boot)),
        79 => ("it has fallen off the bus", Some(Boot)),
        92 => ("many memory errors had to be mended", None),
        94 => ("a memory error that hit one program alone (contained)", Some(Quiet)),
        95 => ("a memory error that may have hit all programs (uncontained)", Some(Boot)),
        119 | 120 => ("its system processor does not answer (GSP)", Some(Boot)),
        _ => ("see NVIDIA's list of Xid errors", None),
    }
}

/// All faults that were noticed since the last look.
pub fn steps(look: &Look<'_>) -> Vec<Step> {
    look.faults
        .iter()
        .flat_map(|fault| {
            let row = look.rows.iter().find(|row| row.uuid == fault.uuid);
            row.map(|row| of(look, row, fault.kind)).unwrap_or_default()
        })
        .collect()
}

fn of(look: &Look<'_>, row: &GpuRow, kind: FaultKind) -> Vec<Step> {
    let (word, code, words, frees) = match kind {
        FaultKind::Xid(0) => ("xid", None, "an Xid whose number it does not tell".to_owned(), None),
        FaultKind::Xid(code) => {
            let (meaning, frees) = meaning(code);
            ("xid", i64::try_from(code).ok(), format!("Xid {code}, {meaning}"), frees)
        }
        FaultKind::DoubleBitEcc => {
            ("ecc", None, "memory errors that could not be mended".to_owned(), Some(Frees::Boot))
        }
        FaultKind::Gone => ("gone", None, "it has fallen off the bus, or needs a reset".to_owned(), Some(Frees::Boot)),
    };
    // told of the whole GPU, while the program at fault is in one of its instances and ends by itself
    let spares_instances = row.is_divided && frees == Some(Frees::Quiet);
    let Some(frees) = frees.filter(|_| !spares_instances) else {
        return vec![Step::Tell {
            gpu: row.uuid.clone(),
            kind: word,
            code,
            words: format!("{}: {words}.", row.called()),
        }];
    };
    let words = format!("{} failed: {words}.", row.called());
    let instances = look.rows.iter().filter(|other| other.parent_uuid.as_deref() == Some(row.uuid.as_str()));
    std::iter::once(row)
        .chain(instances)
        .map(|row| Step::Quarantine { gpu: row.uuid.clone(), kind: word, code, words: words.clone(), frees })
        .collect()
}

/// A GPU that does not appear in readings any more while somebody has it.
pub fn gone(row: &GpuRow) -> Step {
    let words = format!("{} failed: it does not answer any more.", row.called());
    Step::Quarantine { gpu: row.uuid.clone(), kind: "gone", code: None, words, frees: Frees::Boot }
}

/// A driver that hangs: nobody can say how any of its GPUs is.
pub fn silence(look: &Look<'_>) -> Vec<Step> {
    let limit = if look.pass == 0 { SILENT_AT_START } else { SILENT };
    if look.silent < limit {
        return vec![];
    }
    let usable = look.rows.iter().filter(|row| row.state == State::Usable);
    usable
        .map(|row| {
            let words = format!("{} failed: the NVIDIA driver does not answer.", row.called());
            Step::Quarantine { gpu: row.uuid.clone(), kind: "silent", code: None, words, frees: Frees::Boot }
        })
        .collect()
}
