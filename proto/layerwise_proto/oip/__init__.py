"""Package inference: the Open Inference Protocol v2.

tritonclient and other clients define the same names, and protobuf allows them once in a process: only the service may
import this package.
"""
