/** Generated from grammar/diagnostics.md by `node scripts/generate-messages.mjs`. Do not edit. */

/** The registry's section of each code, as Markdown. */
export const explanations: Readonly<Record<string, string>> = {
  ZT1001:
    '## ZT1001 unexpected_token\n> expected {expected}, found {found}\n\nThe text breaks off the grammar here: at this place only the named things may stand. What was found is shown as it is written.\n\n### wrong\n~~~ztrain\nconst classes = 10 *\nparam lr: float = 1e-3\n~~~\n\n### right\n~~~ztrain\nconst classes = 10 * 2\nparam lr: float = 1e-3\n~~~\n',
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
    '## ZT3110 branches_differ\n> the branches of `if` give {left} and {right}\n\n### wrong\n~~~ztrain\nblock Maybe(wide: bool) on x: f32[n, 4] -> f32[n, 4] { return if wide then x |> dense(8) as grow else x }\n~~~\n### right\n~~~ztrain\nblock Maybe(wide: bool) on x: f32[n, 4] -> f32[n, 4] { return if wide then x |> dense(4) as mix else x }\n~~~\n',
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
