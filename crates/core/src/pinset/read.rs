//! Reading the pinset without the writer.
