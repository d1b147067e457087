//! Tests of the partition tables.
