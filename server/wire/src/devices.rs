//! GPUs of the box: readings, leases, faults.
