"""The rules of layers over streams: bringing images to one width, exchange and ensemble."""

import numpy as np

from cen_keras import layers as cen
from cen_keras.baselines.criteria import CriterionNorm
from cen_keras.baselines.sharing import SharedNorm
from cen_keras.layers.exchange import kept_channels
from cen_keras.layers.fit_channels import fit_matrix

from .ir import Conv, View
from .rules import array_of, register_rule


@register_rule(cen.FitChannels)
def _fit_channels(low, layer, args, kwargs):
    view = args[0]
    if len(view) <= layer.channels:
        return view.pick(np.arange(layer.channels) % len(view))
    matrix = fit_matrix(len(view), layer.channels)
    return low.graph.conv(view, matrix[None, None], np.zeros(layer.channels), layer.name)


def _modality_norm(low, layer: cen.ModalityNorm, args, kwargs):
    streams = {name: low.apply(layer.norm(name), (args[0][name],), {}) for name in layer.modalities}
    if getattr(layer, "exchange_threshold", None) is None:
        return streams
    views = _exchange(low, layer, list(streams.values()))
    return dict(zip(layer.modalities, views, strict=True))


register_rule(cen.ModalityNorm, CriterionNorm, SharedNorm)(_modality_norm)


def _exchange(low, layer: cen.ModalityNorm, views: list[View]) -> list[View]:
    """Eq. 6 as a choice of channels; only a mean over several donors computes anything."""
    count = len(views)
    exchanged = []
    for stream, own in enumerate(views):
        scores = layer.exchange_scores()[stream]
        keep = array_of(
            kept_channels(scores, layer.exchange_threshold, stream, count, layer.exchange_scope)
        )
        others = [view for index, view in enumerate(views) if index != stream]
        donors = others[0]
        if count > 2 and not keep.all():
            donors = low.graph.merge(others, f"{layer.name}_donors").scaled(1 / (count - 1))
        exchanged.append(View.select(keep, own, donors))
    return exchanged


@register_rule(cen.ModalityEnsemble)
def _ensemble(low, layer, args, kwargs):
    weights = array_of(layer.stream_weights(), np.float64)
    streams = [args[0][name] for name in layer.modalities]
    if len(streams) == 1:
        return streams[0]
    heads = [view.whole_node() for view in streams]
    forms = {_form(head) for head in heads}
    if low.join_ensemble and len(forms) == 1 and None not in forms:
        # sum_m a_m (W x_m + b) is one convolution of all x_m.
        return low.graph.conv(
            View.concat([head.view for head in heads]),
            np.concatenate(
                [w * head.kernel for w, head in zip(weights, heads, strict=True)], axis=2
            ),
            sum(w * head.bias for w, head in zip(weights, heads, strict=True)),
            layer.name,
            strides=heads[0].strides,
            padding=heads[0].padding,
            dilation=heads[0].dilation,
            transposed=heads[0].transposed,
        )
    views = [view.scaled(w) for view, w in zip(streams, weights, strict=True)]
    return low.graph.merge(views, layer.name)


def _form(node) -> tuple | None:
    """What convolutions have in common that can be one of all their inputs; None for another node."""
    if not isinstance(node, Conv):
        return None
    taps = node.kernel.shape[:2]
    return node.view.size, taps, node.strides, node.padding, node.dilation, node.transposed
