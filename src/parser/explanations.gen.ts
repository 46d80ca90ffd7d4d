/** Generated from grammar/diagnostics.md by `node scripts/generate-messages.mjs`. Do not edit. */

/** The registry's section of each code, as Markdown. */
export const explanations: Readonly<Record<string, string>> = {
  ZT1001:
    '## ZT1001 unexpected_token\n> expected {expected}, found {found}\n\nThe text leaves the grammar here: at this place only the named things may stand. What was found is shown as it is written.\n\n### wrong\n~~~ztrain\nconst classes = (10 20)\n~~~\n\n### right\n~~~ztrain\nconst classes = (10, 20)\n~~~\n',
  ZT1002:
    '## ZT1002 unclosed_bracket\n> `{opener}` is never closed\n\nEvery bracket needs its partner in the same declaration. The opening one is shown, and the place where its partner was missed.\nWhere several are open, the indentation decides which one is meant.\n\n### wrong\n~~~ztrain\ntrainer Digits {\n  epochs = 10\n\naddon tensorboard {}\n~~~\n\n### right\n~~~ztrain\ntrainer Digits {\n  epochs = 10\n}\naddon tensorboard {}\n~~~\n',
  ZT1003:
    '## ZT1003 stray_bracket\n> `{closer}` closes nothing\n\nNo bracket is open here. Often the one before it closed more than was meant.\n\n### wrong\n~~~ztrain\ntrainer Digits { epochs = 10 } }\n~~~\n\n### right\n~~~ztrain\ntrainer Digits { epochs = 10 }\n~~~\n',
  ZT1004:
    '## ZT1004 single_quotes\n> a string stands in double quotes\n\nThere is one way to write a string: in double quotes, on one line.\n\n### wrong\n~~~ztrain\ndata train_set = digits { split = \'train\' }\n~~~\n\n### right\n~~~ztrain\ndata train_set = digits { split = "train" }\n~~~\n',
  ZT1005:
    '## ZT1005 open_string\n> this string has no end\n\nA string ends on the line on which it starts. A line break inside a string is written `\\n`.\n\n### wrong\n~~~ztrain\ndata train_set = digits { split = "train }\n~~~\n\n### right\n~~~ztrain\ndata train_set = digits { split = "train" }\n~~~\n',
  ZT1006:
    '## ZT1006 foreign_operator\n> `{found}` is no operator of this language\n\nThe operators of logic are words, `and`, `or` and `not`; equality has one form, `==` and `!=`.\n\n### wrong\n~~~ztrain\nparam rate: float = 0.1 where rate > 0 && rate < 1\n~~~\n\n### right\n~~~ztrain\nparam rate: float = 0.1 where rate > 0 and rate < 1\n~~~\n',
  ZT1007:
    '## ZT1007 wrong_arrow\n> a result follows `->`, not `{found}`\n\nWhat a function, block or model gives, and what a `map` makes of a row, stands behind `->`.\n\n### wrong\n~~~ztrain\nfn twice(x: f32) : f32 = 2 * x\n~~~\n\n### right\n~~~ztrain\nfn twice(x: f32) -> f32 = 2 * x\n~~~\n',
  ZT1008:
    '## ZT1008 chained_comparison\n> comparisons do not chain\n\nIn other languages `0 < x < 1` compares `0 < x` with 1, or means both; here it means nothing, so that nobody has to know which.\n\n### wrong\n~~~ztrain\nparam rate: float = 0.1 where 0 < rate < 1\n~~~\n\n### right\n~~~ztrain\nparam rate: float = 0.1 where 0 < rate and rate < 1\n~~~\n',
  ZT1009:
    '## ZT1009 unknown_declaration\n> `{word}` starts no declaration\n\nA file is a list of declarations, and each starts with the word for its kind.\n\n### wrong\n~~~ztrain\nmodle Twice on x: f32[n, 4] -> f32[n, 4] {\n  return x + x\n}\n~~~\n\n### right\n~~~ztrain\nmodel Twice on x: f32[n, 4] -> f32[n, 4] {\n  return x + x\n}\n~~~\n',
  ZT1010:
    '## ZT1010 foreign_word\n> `{word}` is no word of this language\n\nThe word is that of another language for something that has a word of its own here.\n\n### wrong\n~~~ztrain\ndef twice(x: f32) -> f32 = 2 * x\n~~~\n\n### right\n~~~ztrain\nfn twice(x: f32) -> f32 = 2 * x\n~~~\n',
  ZT1011:
    '## ZT1011 comma_between\n> no comma stands between {parts}\n\nAttributes, statements and declarations follow each other without a sign; commas separate the items of lists, records and arguments.\n\n### wrong\n~~~ztrain\ntrainer Digits { epochs = 10, seed = 1 }\n~~~\n\n### right\n~~~ztrain\ntrainer Digits { epochs = 10 seed = 1 }\n~~~\n',
  ZT1012:
    "## ZT1012 dotted_key\n> `{key}` is no attribute's name\n\nAn attribute has a plain name. A value with parts is a call or a record.\n\n### wrong\n~~~ztrain\ntrainer Digits { epochs = 10 clip.norm = 1.0 }\n~~~\n\n### right\n~~~ztrain\ntrainer Digits { epochs = 10 clip = norm(1.0) }\n~~~\n",
  ZT1013:
    '## ZT1013 colon_in_attribute\n> an attribute takes `=`, not `:`\n\n`name = value` sets an attribute or argument; `name: …` gives a type, or a field of a record.\n\n### wrong\n~~~ztrain\ntrainer Digits { epochs: 10 }\n~~~\n\n### right\n~~~ztrain\ntrainer Digits { epochs = 10 }\n~~~\n',
  ZT1014:
    '## ZT1014 missing_equals\n> `{name}` has no `=` before its value\n\nA name gets its value by `=`.\n\n### wrong\n~~~ztrain\ntrainer Digits { epochs 10 }\n~~~\n\n### right\n~~~ztrain\ntrainer Digits { epochs = 10 }\n~~~\n',
  ZT1015:
    '## ZT1015 where_call\n> `where` is no function\n\n`where` states a condition on a parameter. The function that takes one of two values by a tensor of bools is `select`.\n\n### wrong\n~~~ztrain\nfn positive(x: f32[n]) -> f32[n] = where(x > 0, x, 0)\n~~~\n\n### right\n~~~ztrain\nfn positive(x: f32[n]) -> f32[n] = select(x > 0, x, 0)\n~~~\n',
  ZT1016:
    '## ZT1016 hard_word\n> `{word}` cannot be a name\n\nSixteen words are never names: `let return if then else for in and or not true false as where on repeat`. All others are.\n\n### wrong\n~~~ztrain\ndata pairs = csv { in = "pairs.csv" }\n~~~\n\n### right\n~~~ztrain\ndata pairs = csv { file = "pairs.csv" }\n~~~\n',
  ZT1017:
    '## ZT1017 operator_after_pipe\n> `{operator}` cannot follow a pipe\n\n`|>` binds loosest of all, so that `x |> f() + y` would read as a pipe into `f() + y`. Parentheses say what is meant.\n\n### wrong\n~~~ztrain\nblock Residual on x: f32[n, 8] -> f32[n, 8] {\n  return x |> dense(8) as inner + x\n}\n~~~\n\n### right\n~~~ztrain\nblock Residual on x: f32[n, 8] -> f32[n, 8] {\n  return (x |> dense(8) as inner) + x\n}\n~~~\n',
  ZT1018:
    '## ZT1018 pipe_target\n> a pipe goes into a layer or function, not into {found}\n\nWhat stands behind `|>` is applied to what stands before it: a layer, block, function or `repeat`.\n\n### wrong\n~~~ztrain\nblock Maybe(deep: bool) on x: f32[n, 8] -> f32[n, 8] {\n  return x |> if deep then dense(8) else relu()\n}\n~~~\n\n### right\n~~~ztrain\nblock Maybe(deep: bool) on x: f32[n, 8] -> f32[n, 8] {\n  return if deep then (x |> dense(8) as inner) else (x |> relu())\n}\n~~~\n',
  ZT1019:
    '## ZT1019 assignment\n> `{name}` is given a value without `let`\n\nEvery name is introduced once, in a body by `let`, in a file by `const` or `param`, and keeps its value.\n\n### wrong\n~~~ztrain\nstep validate(batch in test_set) {\n  logits = Net(batch.image)\n  metric loss = mean(softmax_cross_entropy(logits, batch.label))\n}\n~~~\n\n### right\n~~~ztrain\nstep validate(batch in test_set) {\n  let logits = Net(batch.image)\n  metric loss = mean(softmax_cross_entropy(logits, batch.label))\n}\n~~~\n',
  ZT1020:
    '## ZT1020 record_after_config\n> the record type stands before the braces\n\nA data set names its source, then the type of its rows, then its attributes.\n\n### wrong\n~~~ztrain\ndata rows = csv { file = "rows.csv" } -> { x: f32, y: f32 }\n~~~\n\n### right\n~~~ztrain\ndata rows = csv -> { x: f32, y: f32 } { file = "rows.csv" }\n~~~\n',
  ZT1021:
    '## ZT1021 misplaced_statement\n> `{word}` cannot stand in {place}\n\nEach statement has its place: `layer` in a block or model; `update`, `minimize`, `metric`, `every`, `for` and `if` in a step;\ndeclarations in the file itself.\n\n### wrong\n~~~ztrain\ndata test_set = digits { split = "test" batch = 64 }\nmetric loss = 0\n~~~\n\n### right\n~~~ztrain\ndata test_set = digits { split = "test" batch = 64 }\nstep validate(batch in test_set) { metric loss = mean(batch.image) }\n~~~\n',
  ZT1022:
    "## ZT1022 colon_in_arguments\n> an argument's name takes `=`, not `:`\n\nIn a call, `name = value` gives an argument by its name; `name: type` declares one.\n\n### wrong\n~~~ztrain\nconst power = pow(2, exponent: 3)\n~~~\n\n### right\n~~~ztrain\nconst power = pow(2, exponent = 3)\n~~~\n",
  ZT1023:
    '## ZT1023 bad_number\n> `{found}` is no number\n\nA number starts with a digit; a point and an exponent have digits behind them. A unit is a member of it: `500.steps`.\n\n### wrong\n~~~ztrain\nparam rate: float = .5\n~~~\n\n### right\n~~~ztrain\nparam rate: float = 0.5\n~~~\n',
  ZT1024:
    '## ZT1024 bad_escape\n> `{found}` means nothing in a string\n\nIn a string a backslash starts one of `\\n`, `\\t`, `\\"`, `\\\\` and `\\u{…}` with the hexadecimal number of a character.\n\n### wrong\n~~~ztrain\ndata rows = csv { file = "data\\rows.csv" }\n~~~\n\n### right\n~~~ztrain\ndata rows = csv { file = "data\\\\rows.csv" }\n~~~\n',
  ZT1025:
    '## ZT1025 unknown_character\n> {found} has no meaning here\n\nThe character is part of no word or sign of the language. In strings and comments any character may stand.\n\n### wrong\n~~~ztrain\nconst half = 1 ? 2 : 3\n~~~\n\n### right\n~~~ztrain\nconst half = if true then 2 else 3\n~~~\n',
  ZT1026:
    '## ZT1026 hash_comment\n> a comment starts with `//`, not with `#`\n\n`#` starts nothing but `# allow CODE "reason"`, which lets one warning pass for the declaration behind it.\n\n### wrong\n~~~ztrain\n# ten digits\nconst classes = 10\n~~~\n\n### right\n~~~ztrain\n// ten digits\nconst classes = 10\n~~~\n',
  ZT1027:
    '## ZT1027 block_comment\n> a comment ends with its line\n\nComments start with `//` and end with the line, so that no comment can swallow what follows. `///` documents what follows.\n\n### wrong\n~~~ztrain\n/* ten digits */\nconst classes = 10\n~~~\n\n### right\n~~~ztrain\n// ten digits\nconst classes = 10\n~~~\n',
  ZT1028:
    '## ZT1028 missing_return\n> this graph returns nothing\n\nThe body of a function, block or model ends with `return` and the value that it gives.\n\n### wrong\n~~~ztrain\nblock Twice on x: f32[n, 4] -> f32[n, 4] {\n  x + x\n}\n~~~\n\n### right\n~~~ztrain\nblock Twice on x: f32[n, 4] -> f32[n, 4] {\n  return x + x\n}\n~~~\n',
  ZT1029:
    '## ZT1029 after_return\n> `{word}` stands behind `return`\n\n`return` is the last statement of a graph; nothing behind it could have an effect.\n\n### wrong\n~~~ztrain\nfn twice(x: f32) -> f32 {\n  return y\n  let y = 2 * x\n}\n~~~\n\n### right\n~~~ztrain\nfn twice(x: f32) -> f32 {\n  let y = 2 * x\n  return y\n}\n~~~\n',
  ZT1030:
    '## ZT1030 if_parts\n> missing_then: expected `then`, found {found}\n> missing_else: expected `else`, found {found}\n\nAs a value, `if` has all three parts: `if test then a else b`. Only the statement `if test { … }` of a step may go without `else`.\n\n### wrong\n~~~ztrain\nconst width = if true then 64\n~~~\n\n### right\n~~~ztrain\nconst width = if true then 64 else 32\n~~~\n',
  ZT1031:
    '## ZT1031 else_if\n> `{found}` does not continue an `if`\n\nThe statement `if` has one `else`, with a body in braces. A further test stands in that body.\n\n### wrong\n~~~ztrain\nstep validate(batch in test_set) {\n  if run.epoch > 2.epochs { metric late = mean(batch.x) }\n  else if run.epoch > 1.epoch { metric middle = mean(batch.x) }\n}\n~~~\n\n### right\n~~~ztrain\nstep validate(batch in test_set) {\n  if run.epoch > 2.epochs { metric late = mean(batch.x) }\n  else { if run.epoch > 1.epoch { metric middle = mean(batch.x) } }\n}\n~~~\n',
  ZT1032:
    '## ZT1032 nested_too_deep\n> this is nested too deeply; the limit is {most}\n\nThe compiler walks brackets, choices and operators by recursion, and refuses what would exhaust it. Text written by people stays far below the limit.\n',
  ZT1033:
    '## ZT1033 too_many_errors\n> more than {most} mistakes; the rest of the file is not reported\n\nSo many mistakes mostly have one cause: the text is no spec, or an early bracket is missing.\n',
  ZT1034:
    '## ZT1034 incomplete_declaration\n> `{word}` breaks off before `{next}`\n\nThe next declaration starts before this one is whole.\n\n### wrong\n~~~ztrain\nconst classes = 10 *\nparam lr: float = 1e-3\n~~~\n\n### right\n~~~ztrain\nconst classes = 10 * 2\nparam lr: float = 1e-3\n~~~\n',
  ZT1035:
    '## ZT1035 unit_form\n> `{found}` is no number with a unit\n\nA unit is a member of a number, written behind a dot: `500.steps`, `80.percent`, `25.MiB`.\n\n### wrong\n~~~ztrain\ntrainer Digits { log_every = 10 steps }\n~~~\n\n### right\n~~~ztrain\ntrainer Digits { log_every = 10.steps }\n~~~\n',
  ZT1036:
    '## ZT1036 huge_number\n> `{found}` is too large for a number\n\nNumbers are 64-bit floats; the largest is about 1.8e308.\n\n### wrong\n~~~ztrain\nconst big = 1e999\n~~~\n\n### right\n~~~ztrain\nconst big = 1e300\n~~~\n',
  ZT1037:
    '## ZT1037 trailing_comma\n> nothing follows this comma\n\nA comma stands between two items, not behind the last.\n\n### wrong\n~~~ztrain\nconst sizes = [32, 64,]\n~~~\n\n### right\n~~~ztrain\nconst sizes = [32, 64]\n~~~\n',
  ZT1038:
    '## ZT1038 single_equals\n> `=` does not compare\n\n`=` gives a name its value. Two values are compared by `==`.\n\n### wrong\n~~~ztrain\nparam heads: int = 4 where heads % 2 = 0\n~~~\n\n### right\n~~~ztrain\nparam heads: int = 4 where heads % 2 == 0\n~~~\n',
  ZT1039:
    '## ZT1039 if_operand\n> `if` cannot stand behind an operator\n\n`if test then a else b` reaches as far as it can. As an operand it stands in parentheses, so that its end shows.\n\n### wrong\n~~~ztrain\nconst width = 2 * if true then 32 else 64\n~~~\n\n### right\n~~~ztrain\nconst width = 2 * (if true then 32 else 64)\n~~~\n',
  ZT1040:
    '## ZT1040 equals_in_record\n> a field of a record takes `:`, not `=`\n\n`{ name: value }` is a record; `name = value` sets an attribute or argument.\n\n### wrong\n~~~ztrain\nconst parts = { train = 80.percent, test = 20.percent }\n~~~\n\n### right\n~~~ztrain\nconst parts = { train: 80.percent, test: 20.percent }\n~~~\n',
  ZT1041:
    '## ZT1041 field_without_value\n> field `{name}` has no value\n\nA field names its value, even where both are called the same.\n\n### wrong\n~~~ztrain\nconst a = 1\nconst both = { a }\n~~~\n\n### right\n~~~ztrain\nconst a = 1\nconst both = { a: a }\n~~~\n',
  ZT1042:
    '## ZT1042 missing_type\n> `{name}` has no type\n\nParameters, inputs and fields state their type: the command line, the checker and the documentation use it.\n\n### wrong\n~~~ztrain\nparam lr = 1e-3\n~~~\n\n### right\n~~~ztrain\nparam lr: float = 1e-3\n~~~\n',
  ZT1043:
    '## ZT1043 attribute_without_value\n> attribute `{name}` has no value\n\nAn attribute is `name = value`. A switch is written out: `shuffle = true`.\n\n### wrong\n~~~ztrain\ndata train_set = digits { split = "train" shuffle }\n~~~\n\n### right\n~~~ztrain\ndata train_set = digits { split = "train" shuffle = true }\n~~~\n',
  ZT1044:
    '## ZT1044 unknown_statement\n> `{word}` starts no statement\n\nA body is a list of statements, and each starts with the word for its kind. A call alone would have no effect.\n\n### wrong\n~~~ztrain\nstep validate(batch in test_set) {\n  metrc loss = mean(batch.x)\n}\n~~~\n\n### right\n~~~ztrain\nstep validate(batch in test_set) {\n  metric loss = mean(batch.x)\n}\n~~~\n',
  ZT1045:
    '## ZT1045 step_input\n> expected `in` behind `{name}`, found {found}\n\nA step says for each of its inputs from which data set its batches come.\n\n### wrong\n~~~ztrain\nstep validate(batch) { metric loss = mean(batch.x) }\n~~~\n\n### right\n~~~ztrain\nstep validate(batch in test_set) { metric loss = mean(batch.x) }\n~~~\n',
  ZT1046:
    '## ZT1046 allow_form\n> `# allow` takes a code and a reason, found {found}\n\nA warning is let pass one code and one declaration at a time, with the reason in quotes, so that the next reader knows why.\n\n### wrong\n~~~ztrain\n# allow ZT5002\nconst classes = 10\n~~~\n\n### right\n~~~ztrain\n# allow ZT5002 "used by the next version"\nconst classes = 10\n~~~\n',
  ZT1047:
    '## ZT1047 pipe_in_choice\n> a pipe within `if` stands in parentheses\n\n`|>` binds loosest of all, so that `if a then x |> f() else x` would end at the pipe.\n\n### wrong\n~~~ztrain\nconst sizes = if true then [1] |> concat() else [2]\n~~~\n\n### right\n~~~ztrain\nconst sizes = if true then ([1] |> concat()) else [2]\n~~~\n',
  ZT2001:
    '## ZT2001 unknown_name\n> unknown {kind} `{name}`\n\nEvery name is resolved before anything starts: declarations of the file, imports, the prelude, and what is bound around the place.\n\n### wrong\n~~~ztrain\nconst classes = 10\nblock Head(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(unit) as out }\n~~~\n### right\n~~~ztrain\nconst classes = 10\nblock Head(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }\n~~~\n',
  ZT2002:
    '## ZT2002 unknown_attribute\n> unknown {kind} `{name}` of `{owner}`\n\nAn attribute or an argument that its owner does not declare would be ignored, and a run would train with a default instead.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2, use_bias = false) as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2, bias = false) as out }\n~~~\n',
  ZT2003:
    '## ZT2003 unknown_field\n> no field `{name}` in {owner}\n\nA record has the fields that its type names, and no others.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> { mean: f32[n, 2], spread: f32[n, 2] } {\n  return { mean: x |> dense(2) as mean, spread: x |> dense(2) as spread }\n}\nfn centre(x: f32[n, 4]) -> f32[n, 2] = Net(x).centre\nmodel Use on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> { mean: f32[n, 2], spread: f32[n, 2] } {\n  return { mean: x |> dense(2) as mean, spread: x |> dense(2) as spread }\n}\nfn centre(x: f32[n, 4]) -> f32[n, 2] = Net(x).mean\n~~~\n',
  ZT2004:
    '## ZT2004 missing_argument\n> `{owner}` needs {kind} `{name}`\n\nWhat has no default must be given.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense() as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }\n~~~\n',
  ZT2005:
    '## ZT2005 too_many_arguments\n> `{owner}` takes {expected}, got {found}\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return x |> relu(1, 2) }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return x |> relu() }\n~~~\n',
  ZT2006:
    '## ZT2006 wrong_kind\n> `{name}` is {found}, but {expected} is needed here\n\nA name stands for one kind of thing: an optimizer is not a model, a schedule is not a data set.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }\nblock Twice on x: f32[n, 4] -> f32[n, 2] { return x |> Net() as net }\nconst width = 4\nschedule warm { constant(1, over = rest) }\nfn half(x: f32[n, 4]) -> f32[n, 4] = x |> warm()\n~~~\n### right\n~~~ztrain\nblock Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }\nblock Twice on x: f32[n, 4] -> f32[n, 2] { return x |> Net() as net }\n~~~\n',
  ZT2007:
    '## ZT2007 block_called\n> {kind} `{name}` is applied with `|>`, not called with its inputs\n\nA block takes its parameters in parentheses; its input arrives through `|>`, so that its weights can be named with `as`.\n\n### wrong\n~~~ztrain\nblock Twice(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return Twice(x) }\n~~~\n### right\n~~~ztrain\nblock Twice(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> Twice(2) as twice }\n~~~\n',
  ZT2010:
    '## ZT2010 shadowing\n> `{name}` is already declared\n\nOwn names never hide each other: a reader can always find the one place where a name is made.\n\n### wrong\n~~~ztrain\nconst width = 4\nconst width = 8\n~~~\n### right\n~~~ztrain\nconst width = 4\nconst wide = 8\n~~~\n',
  ZT2011:
    '## ZT2011 duplicate_key\n> `{name}` is given twice\n\nOnly one of the two could be meant.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2, bias = true, bias = false) as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2, bias = false) as out }\n~~~\n',
  ZT2012:
    '## ZT2012 duplicate_weights\n> weights `{name}` are named twice in {owner}\n\nThe name is the key of the weights in a checkpoint. For weights that are used twice, write `layer {name} = …` and call it.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(4) as out |> relu() |> dense(2) as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(4) as hidden |> relu() |> dense(2) as out }\n~~~\n',
  ZT2020:
    '## ZT2020 import_cycle\n> import cycle: {path}\n\nFiles are checked one after the other, what is imported first; in a circle there is no first.\n',
  ZT2021:
    '## ZT2021 not_exported\n> {file} declares no `{name}`\n\n### wrong\n~~~ztrain file=blocks.ztrain\nblock Up(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }\n~~~\n~~~ztrain\nimport { Down } from "./blocks.ztrain"\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> Down(2) as down }\n~~~\n### right\n~~~ztrain file=blocks.ztrain\nblock Up(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }\n~~~\n~~~ztrain\nimport { Up } from "./blocks.ztrain"\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> Up(2) as up }\n~~~\n',
  ZT2022:
    '## ZT2022 not_importable\n> `{name}` is {kind}, which can\'t be imported\n\nConstants, functions, blocks and models without params of the run can be shared between files. What belongs to a run (data, optimizers, steps, params) is said in the spec that runs.\n\n### wrong\n~~~ztrain file=blocks.ztrain\nschedule warm { constant(1e-3, over = rest) }\n~~~\n~~~ztrain\nimport { warm } from "./blocks.ztrain"\nconst width = 4\n~~~\n### right\n~~~ztrain file=blocks.ztrain\nconst rate = 1e-3\n~~~\n~~~ztrain\nimport { rate } from "./blocks.ztrain"\nconst slow = rate / 10\n~~~\n',
  ZT2030:
    '## ZT2030 file_missing\n> can\'t read {kind} {file}: {reason}\n\n### wrong\n~~~ztrain\nimport { Up } from "./nowhere.ztrain"\nconst width = 4\n~~~\n### right\n~~~ztrain file=blocks.ztrain\nblock Up(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }\n~~~\n~~~ztrain\nimport { Up } from "./blocks.ztrain"\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> Up(2) as up }\n~~~\n',
  ZT2031:
    '## ZT2031 outside_root\n> {kind} {file} lies outside the project\'s folder\n\nA spec reads what is beside or below its own project, so that a review sees all of it.\n\n### wrong\n~~~ztrain\nimport { Up } from "../../../../elsewhere/blocks.ztrain"\nconst width = 4\n~~~\n### right\n~~~ztrain file=blocks.ztrain\nblock Up(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }\n~~~\n~~~ztrain\nimport { Up } from "./blocks.ztrain"\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> Up(2) as up }\n~~~\n',
  ZT3101:
    "## ZT3101 wrong_rank\n> {what} has {found} axes, {expected} expected\n\nThe number of axes is part of a tensor's type. No axis is ever added silently.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> conv2d(2, kernel = 3) as out |> global_avg_pool() }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4, 4, 1] -> f32[n, 2] { return x |> conv2d(2, kernel = 3) as out |> global_avg_pool() }\n~~~\n",
  ZT3102:
    '## ZT3102 wrong_size\n> {what} is {found}, {expected} expected\n\nTwo sizes that must be equal are not. Both are shown with where they come from.\n\n### wrong\n~~~ztrain\nmodel Net on a: f32[n, 4], b: f32[n, 5] -> f32[n, 4] { return a + b }\n~~~\n### right\n~~~ztrain\nmodel Net on a: f32[n, 4], b: f32[n, 4] -> f32[n, 4] { return a + b }\n~~~\n',
  ZT3103:
    '## ZT3103 reshape_count\n> reshape changes the number of values\n\nA reshape keeps every value, so the products of both shapes must be equal.\n\n### wrong\n~~~ztrain\nmodel Net on z: f32[n, 16] -> f32[n, 7, 7, 128] { return z |> dense(7 * 7 * 64) as project |> reshape([n, 7, 7, 128]) }\n~~~\n### right\n~~~ztrain\nmodel Net on z: f32[n, 16] -> f32[n, 7, 7, 128] { return z |> dense(7 * 7 * 128) as project |> reshape([n, 7, 7, 128]) }\n~~~\n',
  ZT3104:
    '## ZT3104 not_whole\n> `{size}` is not always whole: {witness}\n\n`int / int` is an exact fraction. As a size it must be whole for every value that its parts may take; a `where` says which those are.\n\n### wrong\n~~~ztrain\nblock Split(heads: int) on x: f32[n, d] -> f32[n, heads, d / heads] { return reshape(x, [n, heads, d / heads]) }\n~~~\n### right\n~~~ztrain\nblock Split(heads: int) on x: f32[n, d] -> f32[n, heads, d / heads] {\n  assert d % heads == 0\n  return reshape(x, [n, heads, d / heads])\n}\n~~~\n',
  ZT3105:
    '## ZT3105 wrong_result\n> `{name}` gives {found}, its signature says {expected}\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 3] { return x |> dense(2) as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }\n~~~\n',
  ZT3106:
    '## ZT3106 too_many_positions\n> indices go up to {highest}, the table has {count} rows\n\nAn index of an embedding must be below its count; with one row too few, training would stop (or read a wrong row) at the first long input.\n\n### wrong\n~~~ztrain\nmodel Net on x: i32[n, 9] -> f32[n, 9, 4] {\n  layer position = embedding(8, 4)\n  layer word = embedding(100, 4)\n  return word(x) + position(range(9))\n}\n~~~\n### right\n~~~ztrain\nmodel Net on x: i32[n, 9] -> f32[n, 9, 4] {\n  layer position = embedding(9, 4)\n  layer word = embedding(100, 4)\n  return word(x) + position(range(9))\n}\n~~~\n',
  ZT3107:
    '## ZT3107 bad_axis\n> axis {axis} of {what}, which has {rank} axes\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n] { return sum(x, axis = 2) |> relu() }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n] { return sum(x, axis = 1) |> relu() }\n~~~\n',
  ZT3108:
    "## ZT3108 weights_hold_batch\n> the shape of weights `{name}` depends on the batch's size `{size}`\n\nA weight lives longer than a batch, and the last batch of an epoch is often shorter.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[4, 2] { return transpose(x) |> dense(2) as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }\n~~~\n",
  ZT3109:
    '## ZT3109 assert_fails\n> `assert {text}` does not hold{where}\n\nThe values or sizes at this place break the condition.\n\n### wrong\n~~~ztrain\nblock Half on x: f32[n, d] -> f32[n, d / 2] {\n  assert d % 2 == 0, "an even width"\n  return x[:, :d / 2]\n}\nmodel Net on x: f32[n, 5] -> f32[n, 2] { return x |> Half() }\n~~~\n### right\n~~~ztrain\nblock Half on x: f32[n, d] -> f32[n, d / 2] {\n  assert d % 2 == 0, "an even width"\n  return x[:, :d / 2]\n}\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> Half() }\n~~~\n',
  ZT3110:
    '## ZT3110 branches_differ\n> the branches of `if` give {left} and {right}\n\n### wrong\n~~~ztrain\nblock Maybe(wide: bool) on x: f32[n, 4] -> f32[n, 4] { return if wide then (x |> dense(8) as grow) else x }\n~~~\n### right\n~~~ztrain\nblock Maybe(wide: bool) on x: f32[n, 4] -> f32[n, 4] { return if wide then (x |> dense(4) as mix) else x }\n~~~\n',
  ZT3111:
    '## ZT3111 repeat_changes_shape\n> a turn of `repeat` changes {before} to {after}, but its count is not a constant\n\nWith a count that a param may set, the shape after any number of turns must be known: each turn keeps it.\n\n### wrong\n~~~ztrain\nparam depth: int = 3 where depth > 0\nmodel Net on x: f32[n, 4] -> f32[n, 8] { return x |> repeat depth as grow { dense(8) } }\n~~~\n### right\n~~~ztrain\nparam depth: int = 3 where depth > 0\nmodel Net on x: f32[n, 8] -> f32[n, 8] { return x |> repeat depth as grow { dense(8) } }\n~~~\n',
  ZT3112:
    '## ZT3112 rest_in_block\n> the inputs of {kind} `{name}` need a fixed number of axes\n\n### wrong\n~~~ztrain\nblock Any on x: f32[...s, d] -> f32[...s, d] { return x |> dense(d) as out }\n~~~\n### right\n~~~ztrain\nblock Any on x: f32[n, d] -> f32[n, d] { return x |> dense(d) as out }\n~~~\n',
  ZT3201:
    '## ZT3201 wrong_dtype\n> {what} holds {found}, {expected} expected\n\nElement types are never changed silently: bytes into a convolution, or float labels, are nearly always a forgotten step.\n\n### wrong\n~~~ztrain\nmodel Net on image: u8[n, 8, 8, 1] -> f32[n, 2] { return image |> conv2d(2, kernel = 3) as out |> global_avg_pool() }\n~~~\n### right\n~~~ztrain\nmodel Net on image: u8[n, 8, 8, 1] -> f32[n, 2] { return cast(image, f32) / 255 |> conv2d(2, kernel = 3) as out |> global_avg_pool() }\n~~~\n',
  ZT3202:
    '## ZT3202 wrong_unit\n> {what} is {found}, {expected} expected\n\nUnits are types. `0.25` of an epoch and `0.25` steps are different things, so the unit is always written.\n\n### wrong\n~~~ztrain\nschedule warm { warmup(to = 1e-3, over = 100) constant(1e-3, over = rest) }\n~~~\n### right\n~~~ztrain\nschedule warm { warmup(to = 1e-3, over = 100.steps) constant(1e-3, over = rest) }\n~~~\n',
  ZT3203:
    '## ZT3203 wrong_type\n> {what} is {found}, {expected} expected\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense("two") as out }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }\n~~~\n',
  ZT3204:
    '## ZT3204 operator_types\n> `{op}` between {left} and {right}\n\n### wrong\n~~~ztrain\nconst name = "a" * 2\n~~~\n### right\n~~~ztrain\nconst name = "a"\n~~~\n',
  ZT3205:
    '## ZT3205 tensor_condition\n> the condition of `if` is a tensor, which is not known before the run\n\n`if` looks at what is known at the start; a choice by values is made element by element.\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return if x > 0 then x else -x }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return select(x > 0, x, -x) }\n~~~\n',
  ZT3206:
    '## ZT3206 not_known\n> {what} must be known before the run, but `{name}` is not\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return reshape(x, [n, sum(x)]) }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return reshape(x, [n, 4]) }\n~~~\n',
  ZT3301:
    '## ZT3301 default_breaks_where\n> the default of `{name}`, {value}, breaks its own `where {text}`\n\n### wrong\n~~~ztrain\nparam lr: float = 0 where lr > 0\n~~~\n### right\n~~~ztrain\nparam lr: float = 1e-3 where lr > 0\n~~~\n',
  ZT3302:
    '## ZT3302 out_of_limits\n> {what} is {value}, but `{text}` must hold\n\n### wrong\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return x |> dropout(1.5) }\n~~~\n### right\n~~~ztrain\nmodel Net on x: f32[n, 4] -> f32[n, 4] { return x |> dropout(0.5) }\n~~~\n',
  ZT3303:
    '## ZT3303 no_default\n> `{kind}` params of {owner} need a default\n\nA model is built once for the run, so each of its parameters must have a value.\n\n### wrong\n~~~ztrain\nmodel Net(width: int) on x: f32[n, 4] -> f32[n, 2] { return x |> dense(width) as h |> dense(2) as out }\n~~~\n### right\n~~~ztrain\nmodel Net(width: int = 8) on x: f32[n, 4] -> f32[n, 2] { return x |> dense(width) as h |> dense(2) as out }\n~~~\n',
  ZT4900:
    '## ZT4900 not_built\n> {what} is not built yet\n\nThe word is part of the language, and this version of ztrain does not have what stands behind it. It is refused rather than ignored.\n',
};
