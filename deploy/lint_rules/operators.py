"""Operators that TensorRT's ONNX parser takes, after the tables of onnx-tensorrt's releases.

The lists leave out what no image network needs; an operator that is missing here is reported, and
a look at the table of the board's own release decides.
"""

_EVERYWHERE = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil
Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace
DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual
HardSigmoid Identity If InstanceNormalization IsNaN LRN LSTM LeakyRelu Less LessOrEqual Log
LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool Mean Min Mul Neg NonMaxSuppression Not Or
PRelu Pad Pow QuantizeLinear RNN RandomUniform RandomUniformLike Range ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
Relu Reshape Resize ReverseSequence Round Scan Scatter ScatterElements ScatterND Selu Shape Sigmoid
Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh
ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Where Xor
"""
# Integers built into the operator; rule Q0 tells of them.
IMPLICITLY_QUANTISED = frozenset(
    "QLinearConv QLinearMatMul ConvInteger MatMulInteger QGemm DynamicQuantizeLinear".split()
)
_SINCE_8_5 = "GridSample IsInf LayerNormalization Mod NonZero OneHot RoiAlign Shrink Trilu"
_SINCE_10 = "Gelu GroupNormalization HardSwish Hardmax Mish Reciprocal"


def supported(tensorrt: tuple[int, int]) -> frozenset[str]:
    """Operator types that a version of TensorRT takes; `tensorrt` is (major, minor)."""
    names = _EVERYWHERE + _SINCE_8_5 + (" " + _SINCE_10 if tensorrt >= (10, 0) else "")
    return frozenset(names.split())
