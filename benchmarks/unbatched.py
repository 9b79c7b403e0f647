"""`layerwise` without the joining of requests, to measure what that gives: python -m benchmarks.unbatched serve …"""

import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as `serve` sets it, before NumPy is loaded

from layerwise_client.cli import main
from layerwise_service.usecases import batching

batching.LEAST_PARAMETERS = 10**12
sys.argv[0] = "layerwise"
main()
