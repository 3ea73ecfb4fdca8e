//! Every SQL statement of kv-erp: migrations, tenant transactions, the stock ledger.
