/** Words of other libraries, and what says them here: for the help of what is unknown. */
import { nearest } from '../parser/nearest.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import type { Span } from '../parser/source.js';

const table = (lines: string): ReadonlyMap<string, readonly string[]> =>
  new Map(
    lines
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [words = '', meant = ''] = line.split('=');
        return words
          .trim()
          .split(' ')
          .map((word) => [word, meant.trim().split(' ')] as const);
      }),
  );

/** Functions, layers and values, in lower case and without `_`. */
const names = table(`
  linear fullyconnected fc = dense
  conv convolution convolution2d = conv2d
  convtranspose2d conv2dtranspose deconv2d = conv2d_transpose
  batchnorm2d batchnorm1d batchnormalization = batch_norm
  layernormalization = layer_norm
  maxpool2d maxpooling2d maxpooling = max_pool
  avgpool2d averagepooling2d = avg_pool
  globalaveragepooling2d adaptiveavgpool2d gap = global_avg_pool
  globalmaxpooling2d = global_max_pool
  dropout2d = dropout
  bilstm bidirectional blocklstm = lstm
  bigru = gru
  swish = silu
  crossentropy crossentropyloss categoricalcrossentropy sparsecategoricalcrossentropy nllloss = softmax_cross_entropy
  bce bceloss bcewithlogitsloss binarycrossentropy = sigmoid_cross_entropy
  mseloss meansquarederror = mse
  l1loss meanabsoluteerror = mae
  smoothl1loss huberloss = huber
  cat concatenate = concat
  view = reshape
  permute = transpose
  unsqueeze = expand_dims
  clip = clamp
  arange = range
  detach = stop_gradient
  var = variance
  to astype type float long int = cast
  amax reducemax = max_of
  amin reducemin = min_of
  reducemean average = mean
  reducesum = sum
  dot mm bmm = matmul
  modelcheckpoint = checkpoint
  true = true
  false = false
  none null nil undefined = none
`);

/** Attributes, arguments and fields. */
const keys = table(`
  kernelsize kernelshape = kernel
  strides = stride
  outchannels outfeatures features channels hidden hiddensize neurons = filters units width
  dim dims = axis axes
  learningrate eta stepsize = lr
  batchsize = batch
  params parameters model models network weights = of
  p prob probability droprate = rate
  numepochs nepochs maxepochs epoch = epochs
  numsteps maxsteps totalsteps iterations maxiter = steps
  decay l2 = weight_decay
  eps = epsilon
  usebias = bias
  initializer kernelinitializer = init
  path filename filepath = file
  sep separator = delimiter
  numembeddings vocabsize inputdim = count
  embeddingdim outputdim = width
  numclasses depth = classes
  numworkers = workers
  prefetchfactor prefetchsize = prefetch
  dropremainder = drop_last
  smoothing = label_smoothing
  poolsize windowsize = size
  maxnorm gradclip gradientclip clipnorm = clip
  y target targets labels ytrue truth = label target
  ypred pred output outputs = prediction logits
  x input inputs features = x image
`);

/** What is done in another way altogether. */
const otherwise = new Map([
  ['activation', 'apply it behind the layer: `|> relu()`'],
  ['inchannels', 'what arrives is known by itself: leave it out'],
  ['infeatures', 'what arrives is known by itself: leave it out'],
  ['inputshape', 'what arrives is known by itself: leave it out'],
  ['keepdim', 'put the axis back with `expand_dims`'],
  ['keepdims', 'put the axis back with `expand_dims`'],
  ['reduction', 'a loss is one number for each row: write `mean(…)` or `sum(…)` around it'],
  ['beta1', 'write both: `betas = [0.9, 0.999]`'],
  ['beta2', 'write both: `betas = [0.9, 0.999]`'],
  ['training', 'layers know from the step whether they train: leave it out'],
  ['epoch', 'write `run.epoch`'],
  ['item', 'a number is used as it is: leave it out'],
  ['numpy', 'values are used where they are: leave it out'],
  ['cpu', 'values are used where they are: leave it out'],
  ['cuda', 'values are used where they are: leave it out'],
  ['sequential', 'layers follow one another with `|>`'],
  ['print', 'write `metric name = …`, which is shown and kept'],
  ['pow', 'write `a ** b`'],
  ['len', 'the rows of a batch are `batch.size`; other sizes have names in the types: `f32[n, width]`'],
  ['shape', 'sizes have names in the types: `f32[n, h, w, c]` makes `h` known'],
  ['size', 'sizes have names in the types: `f32[n, h, w, c]` makes `h` known'],
  ['torch', 'functions have no prefix: `relu(x)`'],
  ['nn', 'layers have no prefix: `x |> dense(10)`'],
  ['tf', 'functions have no prefix: `relu(x)`'],
  ['keras', 'layers have no prefix: `x |> dense(10)`'],
  ['np', 'functions have no prefix: `exp(x)`'],
]);

const types = table(`
  float32 float64 float16 double half bfloat16 tensor = f32
  int32 int64 int8 long = i32
  uint8 byte = u8
  boolean = bool
  str text = string
  number = float
  integer = int
`);

const plain = (word: string): string => word.toLowerCase().replaceAll('_', '');

type Details = Pick<Diagnostic, 'help' | 'fix'>;

const writes = (span: Span, word: string): Details => ({
  help: `write \`${word}\``,
  fix: { title: `write \`${word}\``, edits: [{ span, text: word }] },
});

const among = (found: readonly string[] | undefined, known: readonly string[]): string | undefined =>
  found?.find((each) => known.includes(each));

/** Of an attribute, an argument or a field: the one that was meant, among those there are. */
export const meantKey = (name: string, known: readonly string[]): string | undefined =>
  among(keys.get(plain(name)), known) ?? nearest(name, known, 1)[0];

/** The help for an unknown attribute, argument or field. */
export const keyHelp = (name: string, span: Span, known: readonly string[], lead: string): Details => {
  const meant = meantKey(name, known);
  if (meant !== undefined) return writes(span, meant);
  return { help: otherwise.get(plain(name)) ?? `${lead} ${known.map((each) => `\`${each}\``).join(', ')}` };
};

/** The help for an unknown name; `known` are those that may stand there. */
export const nameHelp = (name: string, span: Span, known: readonly string[]): Details => {
  const told = otherwise.get(plain(name));
  if (told !== undefined && !known.includes(plain(name))) return { help: told };
  const meant = among(names.get(plain(name)), [...known, 'true', 'false', 'none']);
  if (meant === 'none') return { help: 'write `none` where that is allowed, or leave it out' };
  if (meant !== undefined) return writes(span, meant);
  const near = nearest(name, known);
  if (near[0] === undefined) return {};
  return near.length === 1
    ? writes(span, near[0])
    : { help: `the nearest are ${near.map((each) => `\`${each}\``).join(', ')}` };
};

/** The type that is meant by one of another library; with a shape, one of tensors. */
export const meantType = (name: string, shaped: boolean): string | undefined => {
  const [meant] = types.get(plain(name)) ?? [];
  return shaped && (meant === 'float' || meant === 'int') ? (meant === 'int' ? 'i32' : 'f32') : meant;
};

/** `x.view(…)`: a function that is written as a member of its input. */
export const memberHelp = (name: string, of: string, known: readonly string[]): Details => {
  const told = otherwise.get(plain(name));
  if (told !== undefined) return { help: told };
  const meant = known.includes(name) ? name : among(names.get(plain(name)), known);
  return meant === undefined ? {} : { help: `write \`${meant}(${of}, …)\`` };
};
