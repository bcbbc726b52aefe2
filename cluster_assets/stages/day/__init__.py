"""How a stage computes one day: the job, its checks, its trends and its costs."""
