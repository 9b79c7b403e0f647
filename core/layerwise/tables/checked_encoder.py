"""The check of the encoder that a network is given."""

from layerwise.checks import counted, shown
from layerwise.errors import InvalidInput
from layerwise.tables.encoder import TableEncoder


def checked_encoder(encoder: object, inputs: int) -> TableEncoder:
    """Return `encoder` if it is fitted and has as many outputs as the network has `inputs`. Raises InvalidInput."""
    if not isinstance(encoder, TableEncoder):
        raise InvalidInput("encoder", f"expected a TableEncoder, got {shown(encoder)}")
    if encoder.width != inputs:
        wanted = f"expected {counted(inputs, 'output')}, one for each of the network's inputs"
        raise InvalidInput("encoder", f"{wanted}, got {encoder.width}")
    return encoder
