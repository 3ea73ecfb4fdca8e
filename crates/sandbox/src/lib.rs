//! Private PostgreSQL and Redis on loopback for embedded use, local targets and tests.
