//! Every Redis key of kv-erp: locks with fencing and rate limits, each with an in-process twin.
