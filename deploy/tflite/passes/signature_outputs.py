"""The graph's outputs are those of its signature.

Where a float output is read by an operator in 8 bits as well (logits that are averaged), the
library lists its codes as the graph's output, and the engine never computes what the signature
names.

Needs any model. Promises the same numbers.
"""

import numpy as np


def match_signature(model) -> None:
    """Sets the outputs of every graph of a `ModelT` that has a signature."""
    for signature in model.signatureDefs or ():
        graph = model.subgraphs[signature.subgraphIndex]
        named = {entry.tensorIndex for entry in signature.outputs}
        if named != set(graph.outputs):
            graph.outputs = np.array(sorted(named), np.int32)
