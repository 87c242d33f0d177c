"""What people look at: lists of jobs, a job's chunks and failures, and its history."""
