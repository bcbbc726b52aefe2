"""External systems behind `ports`: engines, stores, catalogs and workers, one folder per backend."""
