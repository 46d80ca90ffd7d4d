/** `check`, `explain`, `show`, `init` and what every command has in common. */
import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digits, openDesk, program, root, start, type Desk } from './command-line.js';

let desk: Desk;
beforeAll(() => {
  desk = openDesk();
});
afterAll(() => desk.remove());

const write = (name: string, text: string | Buffer): string => {
  writeFileSync(join(desk.folder, name), text);
  return name;
};

const literal = (text: string): RegExp => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));

const wrong = 'param lr: float = 0.1\nconst classes = (10 20)\n';

describe('check', () => {
  test('says nothing of a good spec on stdout', async () => {
    const { code, stdout, stderr } = await desk.ztrainc(['check', digits]);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain('no errors');
  });

  test('shows a mistake with its line and ends with 1', async () => {
    const { code, stdout, stderr } = await desk.ztrainc(['check', write('wrong.ztrain', wrong)]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('error[ZT1001]');
    expect(stderr).toContain('wrong.ztrain:2:');
    expect(stderr).toContain('const classes = (10 20)');
  });

  test('prints records for programs, options before and after', async () => {
    const name = write('wrong.ztrain', wrong);
    for (const words of [
      ['check', '--format=json', name],
      ['check', name, '--format', 'json'],
    ]) {
      const { code, stdout } = await desk.ztrainc(words);
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toContainEqual(
        expect.objectContaining({
          code: 'ZT1001',
          severity: 'error',
          file: name,
          range: { start: { line: 2, column: 21 }, end: { line: 2, column: 23 } },
        }),
      );
    }
    expect((await desk.ztrainc(['check', '--format=json', digits])).stdout).toBe('[]\n');
  });

  test('has a record for a spec that is not there', async () => {
    const { code, stdout } = await desk.ztrainc(['check', '--format=json', 'nowhere.ztrain']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toHaveLength(1);
  });

  test('takes several specs and folders of them', async () => {
    const { code, stderr } = await desk.ztrainc(['check', join(root, 'specs')]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/\d specs checked/);
  });

  test('knows what it cannot read', async () => {
    write('digits.ztrain', readFileSync(digits));
    const missing = await desk.ztrainc(['check', 'digts.ztrain']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('did you mean digits.ztrain?');
    const binary = await desk.ztrainc(['check', write('binary.ztrain', Buffer.from([0x63, 0xff, 0xfe]))]);
    expect([binary.code, binary.stderr]).toEqual([2, expect.stringContaining('UTF-8')]);
    expect(binary.stderr).not.toContain('did you mean');
    const data = await desk.ztrainc(['check', write('data.bin', Buffer.from([0xff]))]);
    expect(data.stderr).toContain('name a .ztrain file');
    mkdirSync(join(desk.folder, 'digit'), { recursive: true });
    copyFileSync(digits, join(desk.folder, 'digit', 'other.ztrain'));
    const folder = await desk.ztrainc(['run', 'digit']);
    expect(folder.stderr).toContain('it is a folder; name a spec in it, such as digit/other.ztrain');
    mkdirSync(join(desk.folder, 'empty'), { recursive: true });
    expect((await desk.ztrainc(['check', 'empty'])).code).toBe(2);
  });

  test('imports stay inside the project', async () => {
    mkdirSync(join(desk.folder, 'inner'), { recursive: true });
    writeFileSync(join(desk.folder, 'inner', 'package.json'), '{}');
    writeFileSync(join(desk.folder, 'inner', 'a.ztrain'), 'import { B } from "../blocks.ztrain"\n');
    const { code, stderr } = await desk.ztrainc(['check', 'inner/a.ztrain']);
    expect(code).toBe(1);
    expect(stderr).toContain('../blocks.ztrain');
  });

  test('holds externs against their types when asked', async () => {
    const folder = join(root, 'specs');
    expect((await desk.ztrainc(['check', '--externs', join(folder, 'gpt.ztrain')])).code).toBe(0);
    write('gpt.ztrain', readFileSync(join(folder, 'gpt.ztrain')));
    write('corpus.ts', 'export const tokenWindows = (): string => "no data";\n');
    expect((await desk.ztrainc(['check', 'gpt.ztrain'])).code).toBe(0);
    const { code, stderr } = await desk.ztrainc(['check', 'gpt.ztrain', '--externs']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error\[TS\d+\]/);
    expect(stderr).toContain('gpt.ztrain:');
  });
});

describe('misuse ends with 2 and a near name', () => {
  test.each([
    [['chek', 'a.ztrain'], 'check'],
    [['check', '--fromat', 'json', 'a.ztrain'], '--format'],
    [['check', '--fromat=json', 'a.ztrain'], '--format'],
    [['check', '--format', 'yaml', 'a.ztrain'], 'text, json'],
    [['check'], 'spec'],
    [['engine', 'install', '--version', '2'], '--version takes one such as'],
    [['engine', 'instal'], 'Did you mean install?'],
    [['explain', 'ZT1O01'], 'ZT1001'],
    [['init', 'clasifier'], 'classifier'],
    [['show', digits, '--ir', '--ast'], 'do not go together'],
    [['show', digits, 'lr=-1'], 'lr > 0'],
    [['show', digits, 'ir=1'], 'lr'],
    [['show', digits, 'trainer.epoch=1'], 'epochs'],
    [['show', digits, 'lr=1', 'lr=2'], 'lr is set twice, lr=1 and lr=2'],
    [['show', digits, '--lr=3'], 'write lr=3'],
    [['show', digits, '--plan=3'], '--plan takes no value'],
    [['run', digits, '--from', 'x'], '--from goes with test and predict, not with run'],
    [['predict', digits, '--dev-run'], '--dev-run goes with run, not with predict'],
    [['build', digits, '--out-dir='], '--out-dir needs a value, got ""'],
    [['check', ''], 'name a .ztrain file, got ""'],
    [['show', digits, 'trainer.clip=1'], /set it in .*digits\.ztrain:\d+$/m],
  ])('%j', async (words, hint) => {
    const { code, stdout, stderr } = await desk.ztrainc(words);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(typeof hint === 'string' ? literal(hint) : hint);
  });
});

test('a fault of ztrainc itself ends with 70 and a report to paste', async () => {
  const broken = join(desk.folder, 'broken');
  mkdirSync(broken);
  cpSync(join(root, 'dist'), join(broken, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(broken, 'package.json'));
  // Its templates are missing.
  const { code, stderr } = await start(process.execPath, [join(broken, 'dist', 'ztrainc.mjs'), 'init'], {
    cwd: desk.folder,
  });
  expect(code).toBe(70);
  expect(stderr).toContain('bug in ztrainc');
  expect(stderr).toContain(process.version);
  expect(stderr).toContain('ztrainc init');
});

test('a closed pipe is no fault', async () => {
  const child = spawn(process.execPath, [program, 'show', digits, '--ir'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  child.stdout.once('data', () => child.stdout.destroy());
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect([code, stderr]).toEqual([0, '']);
});

test('who reads progress may leave: the work goes on and keeps its exit code', async () => {
  write('digits.ztrain', readFileSync(digits));
  write('wrong.ztrain', wrong);
  const unread = (words: readonly string[]): Promise<unknown> => {
    const child = spawn(process.execPath, [program, ...words], {
      cwd: desk.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.destroy();
    return new Promise((resolve) => child.on('close', resolve));
  };
  expect(await unread(['check', 'wrong.ztrain'])).toBe(1);
  expect(await unread(['build', 'digits.ztrain', '--out-dir', 'unread'])).toBe(0);
  expect(existsSync(join(desk.folder, 'unread', 'digits.mjs'))).toBe(true);
});

test.runIf(existsSync('/dev/full'))('a full disk behind stdout is told in one line', async () => {
  const { code, stderr } = await start(
    '/bin/sh',
    ['-c', `"${process.execPath}" "${program}" explain >/dev/full`],
    {
      cwd: desk.folder,
    },
  );
  expect([code, stderr]).toEqual([3, 'error: cannot write to stdout: the disk is full\n']);
});

test('colour only where it is wanted', async () => {
  const name = write('wrong.ztrain', wrong);
  expect((await desk.ztrainc(['check', name], { environment: { NO_COLOR: '' } })).stderr).not.toContain(
    '\u001b[',
  );
});

describe('explain', () => {
  test('prints the page of a code, in any spelling', async () => {
    for (const word of ['ZT1007', 'zt1007', '1007', 'wrong_arrow']) {
      const { code, stdout } = await desk.ztrainc(['explain', word]);
      expect(code).toBe(0);
      expect(stdout).toContain('ZT1007');
      expect(stdout).toContain('### right');
    }
  });

  test('lists all codes', async () => {
    const { stdout } = await desk.ztrainc(['explain']);
    expect(stdout.trim().split('\n').length).toBeGreaterThan(60);
  });
});

describe('show', () => {
  test('weights, with sizes for the params at hand', async () => {
    const { code, stdout } = await desk.ztrainc(['show', digits, '--weights', 'filters=8']);
    expect(code).toBe(0);
    expect(stdout).toContain('conv2.weight');
    expect(stdout).toContain('f32[3, 3, 8, 16]');
    expect(stdout).toContain('[3, 3, filters, 2 * filters]');
    // 3·3·1·8 + 8, 3·3·8·16 + 16, 4·4·16·64 + 64, 64·10 + 10
    expect(stdout).toContain(`${(80 + 1168 + 256 * 64 + 64 + 650).toLocaleString('en-US')} values`);
  });

  test('what of the weights is trained, and when', async () => {
    const text = `data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] {
  return image |> flatten() |> dense(10) as a |> repeat 3 as blocks { dense(10) as d } |> batch_norm() as norm |> dense(10) as head
}
model Slow = ema(Net, decay = 0.9)
optimizer opt = adam {
  of = Net
  group kept { match = ["blocks.1.**", "head.bias"] freeze = rest }
  group late { match = ["a.*"] freeze = after(10.steps) }
  group free { match = ["head.bias"] freeze = none }
}
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }
step validate(batch in train_set) every 1.epoch { metric a = mean(Slow(batch.image)) }
trainer T { epochs = 1 }`;
    const { stdout } = await desk.ztrainc(['show', write('frozen.ztrain', text), '--weights']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.replaceAll(/ +/g, ' '));
    expect(lines).toContain('Net a.weight f32[64, 10] 640 2.56 kB frozen for a part of the run');
    expect(lines).toContain('Net norm.mean f32[10] 10 40 B not trained');
    expect(lines).toContain('Net head.bias f32[10] 10 40 B');
    expect(lines).toContain('Slow a.weight f32[64, 10] 640 2.56 kB not trained');
    // 650 of a, two blocks of 110 that are trained, 20 of the norm, 110 of the head.
    expect(lines.at(-1)).toMatch(/values in .*, 1,000 trained \(650 for a part of the run\)$/);
  });

  test('the plan', async () => {
    const { stdout } = await desk.ztrainc(['show', digits, '--plan', 'batch_size=100', 'trainer.epochs=4']);
    expect(stdout).toContain('15 steps an epoch, 60 in all (4 epochs)');
    expect(stdout).toContain('1,438 rows, 15 batches of 100, the last of 38');
    expect(stdout).toContain('validate: every 1 epoch: after 15, 30, 45, … (4 times)');
    expect(stdout).toContain('best validate.accuracy');
    expect(stdout).toContain('cosine: steps 31 to 60');
  });

  test('the plan with limits applied, from the spec or the command line', async () => {
    const plan = async (...overrides: readonly string[]): Promise<string> =>
      (await desk.ztrainc(['show', digits, '--plan', 'batch_size=32', ...overrides])).stdout;
    const limited = await plan(
      'trainer.epochs=4',
      'trainer.accumulate=4',
      'trainer.limit.train=60.percent',
      'trainer.min_epochs=2',
      'trainer.max_time=90.minutes',
      'trainer.sanity=2.batches',
      'trainer.reload_data=2.epochs',
    );
    expect(limited).toContain('train: 7 steps an epoch, 28 in all (4 epochs)');
    expect(limited).toContain('45 batches of 32, the last of 30; 27 are taken (limit.train = 60 percent)');
    expect(limited).toContain('7 windows of 4 batches, the last has 3 of 4 batches');
    expect(limited).toContain('ends after the step in which 1 hour 30 minutes have passed');
    expect(limited).toContain('early stopping is held until min_epochs = 2 (step 14)');
    expect(limited).toContain('data is opened again before epoch 3 (1 time)');
    expect(limited).toContain('validate: every 1 epoch: after 7, 14, 21, … (4 times)');
    expect(limited).toContain('before training: 2 batches, whose metrics are thrown away');
    expect(await plan('trainer.epochs=4', 'trainer.min_steps=5000')).toContain(
      "(step 5,000, beyond the run's 180: nothing ends it early)",
    );
    expect(await plan('trainer.limit.validate=0.batches')).toContain(
      'validate: never (limit.validate = 0 batches)',
    );
    expect(await plan('trainer.overfit=3.batches')).toContain(
      '3 are taken (overfit = 3 batches, unshuffled)',
    );
    const wrong = await desk.ztrainc(['show', digits, '--plan', 'trainer.limit.training=3.batches']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('did you mean limit.train?')]);
    const resolved = await desk.ztrainc(['show', digits, '--resolved', 'trainer.limit.test=2.batches']);
    expect(resolved.stdout).toContain('limit = { test: 2.batches }');
  });

  test('the plan has the add-ons by phase, then in the order of the spec', async () => {
    const text = readFileSync(digits, 'utf8').replace(/^addon .*$/gm, '');
    const addons = [
      'addon checkpoint { keep = 2 }',
      'addon early_stopping { monitor = max(validate.accuracy) }',
      'addon lr_log { }',
      'addon device_stats { }',
    ];
    write('ordered.ztrain', [text, ...addons].join('\n'));
    const { stdout } = await desk.ztrainc(['show', 'ordered.ztrain', '--plan']);
    expect(stdout).toContain(
      `add-ons, phase by phase in the order of their hooks:
  independent (by itself): lr_log, device_stats
  trigger (may end or change the run): early_stopping
  dependent (after all others, by what they have done): checkpoint
`,
    );
    write('ordered.ztrain', [text, ...addons.slice(1, 2)].join('\n'));
    // A run has a checkpoint at its end also where none is declared.
    const bare = await desk.ztrainc(['show', 'ordered.ztrain', '--plan']);
    expect(bare.stdout).toContain(
      '  trigger (may end or change the run): early_stopping\n  dependent (after all others, by what they have done): checkpoint\n',
    );
    const loading = [
      'param body: path = "body.safetensors"',
      'addon pretrained as rest { from = body into = Classifier fresh = ["head.*"] }',
      'addon pretrained as top { from = "top.safetensors" into = Classifier.head layout = "torch" }',
    ];
    write('ordered.ztrain', [text, ...loading].join('\n'));
    const both = await desk.ztrainc(['show', 'ordered.ztrain', '--plan', 'top.from=other.safetensors']);
    expect(both.stdout).toContain(
      [
        '  core (before all others): pretrained as rest, pretrained as top',
        '  dependent (after all others, by what they have done): checkpoint',
        'pretrained as rest: Classifier from body.safetensors',
        'pretrained as top: Classifier.head from other.safetensors, in the layout of torch',
        '',
      ].join('\n'),
    );
  });

  test('the plan says why a run would not start', async () => {
    const { code, stdout } = await desk.ztrainc([
      'show',
      digits,
      '--plan',
      'trainer.epochs=1',
      'batch_size=100',
    ]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('nothing is left for it')]);
  });

  test('the plan counts rows of files, and says which it cannot', async () => {
    const mpg = await desk.ztrainc(['show', join(root, 'specs', 'mpg.ztrain'), '--plan']);
    expect(mpg.stdout).toContain('train_set: 314 rows');
    write('mpg.ztrain', readFileSync(join(root, 'specs', 'mpg.ztrain')));
    const { code, stdout } = await desk.ztrainc(['show', 'mpg.ztrain', '--plan']);
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining('data/mpg-train.csv cannot be read: no such file'),
    ]);
  });

  test('the plan says what the host computes of a row, and what the step', async () => {
    write(
      'maps.ztrain',
      `data rows = jsonl -> { id: string, words: string[len], tags: i32[len], x: f32[2] } {
  file = "rows.jsonl"
  map row -> { id: row.id, x: row.x / 2, tags: pad(row.tags, to = 4), mask: pad(ones_like(row.tags), to = 4) == 1 }
}
model Net on x: f32[n, 2] -> f32[n, 4] { return x |> dense(4) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in rows) { update opt { minimize mean(huber(Net(batch.x), cast(batch.tags, f32)), weight = batch.mask) } }
trainer T { epochs = 1 }
`,
    );
    const { stdout } = await desk.ztrainc(['show', 'maps.ztrain', '--plan']);
    expect(stdout).toContain('    on the host: tags i32[4], mask i32[4]; in the step: x, mask\n');
  });

  test('all defaults', async () => {
    const { stdout } = await desk.ztrainc(['show', digits, '--resolved', 'lr=0.1']);
    expect(stdout).toContain('param lr = 0.1  // given');
    expect(stdout).toContain('betas = [0.9, 0.999]  // default');
    expect(stdout).toContain('log_every = 50.steps  // default');
  });

  test('tokens, tree and program', async () => {
    const tokens = await desk.ztrainc(['show', digits, '--tokens']);
    expect(tokens.stdout).toMatch(/keyword|name/);
    const ast: unknown = JSON.parse((await desk.ztrainc(['show', digits, '--ast'])).stdout);
    expect(ast).toHaveProperty('decls');
    const ir: unknown = JSON.parse((await desk.ztrainc(['show', digits, '--ir'])).stdout);
    expect(ir).toHaveProperty('trainer.name', 'DigitsTrainer');
  });
});

describe('init', () => {
  test('lists templates', async () => {
    const { code, stdout } = await desk.ztrainc(['init']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^classifier/m);
  });

  test('writes a project that checks and runs, and overwrites nothing', async () => {
    const made = await desk.ztrainc(['init', 'classifier', 'mine']);
    expect(made.code).toBe(0);
    expect(made.stderr).toMatch(/^next: ztrainc run mine/m);
    const environment = { npm_lifecycle_event: 'npx', npm_lifecycle_script: 'ztrainc' };
    const other = await desk.ztrainc(['init', 'classifier', 'other'], { environment });
    expect(other.stderr).toMatch(/^next: npx ztrainc run other/m);
    const script = { npm_lifecycle_event: 'ztrainc', npm_lifecycle_script: 'node dist/ztrainc.mjs' };
    const third = await desk.ztrainc(['init', 'classifier', 'third'], { environment: script });
    expect(third.stderr).toMatch(/^next: npm run ztrainc -- run third/m);
    expect(existsSync(join(desk.folder, 'mine', '.gitignore'))).toBe(true);
    expect(existsSync(join(desk.folder, 'mine', 'gitignore'))).toBe(false);
    const ran = await desk.ztrainc(['run', 'mine/classifier.ztrain', '--dev-run', '2']);
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('2')]);
    expect(made.stderr).toContain('wrote mine/.gitignore');
    const before = readFileSync(join(desk.folder, 'mine', 'classifier.ztrain'), 'utf8');
    const again = await desk.ztrainc(['init', 'classifier', 'mine']);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('not overwritten')]);
    expect(again.stderr).toContain('mine/classifier.ztrain, mine/data/iris-test.csv');
    expect(readFileSync(join(desk.folder, 'mine', 'classifier.ztrain'), 'utf8')).toBe(before);
  });

  test('fits into a folder that has its own page and data', async () => {
    mkdirSync(join(desk.folder, 'theirs', 'data'), { recursive: true });
    writeFileSync(join(desk.folder, 'theirs', 'README.md'), 'mine');
    const { code, stderr } = await desk.ztrainc(['init', 'classifier', 'theirs']);
    expect(code).toBe(0);
    expect(stderr).toContain('kept theirs/README.md, which is there already');
    expect(stderr).toContain('wrote theirs/data/iris-train.csv');
    expect(readFileSync(join(desk.folder, 'theirs', 'README.md'), 'utf8')).toBe('mine');
  });

  test('says where it cannot write', async () => {
    writeFileSync(join(desk.folder, 'blocked'), '');
    const { code, stderr } = await desk.ztrainc(['init', 'classifier', 'blocked']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('cannot write blocked/README.md: ')]);
  });
});

test('doctor trains', async () => {
  const { code, stderr } = await desk.ztrainc(['doctor']);
  expect([code, stderr]).toEqual([0, expect.stringContaining('all is well')]);
  expect(stderr).toContain(process.version);
});

test.each(['fmt', 'fix', 'lsp', 'diff'])('%s is told to be not built', async (command) => {
  const { code, stderr } = await desk.ztrainc([command]);
  expect(code).toBe(2);
  expect(stderr).toContain(`ztrainc ${command} is not built yet`);
});
