"""What a run is: documents, publishing, submitting, following, sweeping, engines. It knows no numerics."""
