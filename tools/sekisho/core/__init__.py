"""What every capability stands on: errors, folders, state, time, files, processes."""
