/** `run`, `build`, `test` and `predict`: what a user does from a spec to trained weights. */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explanations } from '../../src/parser/explanations.gen.js';
import { digits, openDesk, root, start, type Desk, type Ended } from './command-line.js';

let desk: Desk;
beforeAll(() => {
  desk = openDesk();
  mkdirSync(join(desk.folder, 'project'));
  writeFileSync(join(desk.folder, 'project', 'package.json'), '{}');
  copyFileSync(digits, join(desk.folder, 'project', 'digits.ztrain'));
});
afterAll(() => desk.remove());

const short = ['trainer.epochs=2', 'trainer.summary=false'];

describe('run', () => {
  test('trains, writes the run and nothing beside the spec', async () => {
    const { code, stdout, stderr } = await desk.ztrainc([
      'run',
      ...short,
      'project/digits.ztrain',
      '--run-dir',
      'first',
    ]);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain('validate');
    expect(readdirSync(join(desk.folder, 'project')).sort()).toEqual(['digits.ztrain', 'package.json']);
    const files = readdirSync(join(desk.folder, 'first'));
    for (const name of ['run.json', 'metrics.jsonl', 'summary.json', 'checkpoints'])
      expect(files).toContain(name);
  });

  test('tells of what its check has warned of once, and again only where the run may be another', async () => {
    const page = explanations['ZT5026'] ?? '';
    const spec = /### wrong\n~~~ztrain\n([\s\S]*?)~~~/.exec(page)?.[1] ?? '';
    mkdirSync(join(desk.folder, 'taught'));
    writeFileSync(join(desk.folder, 'taught', 'package.json'), '{}');
    writeFileSync(join(desk.folder, 'taught', 'taught.ztrain'), spec);
    const countsIn = ({ code, stderr }: Ended): readonly number[] => {
      expect(code).toBe(0);
      const count = (text: string): number => stderr.split(text).length - 1;
      return [count('warning[ZT5026]'), count('sees: its gradient is not that of one large batch')];
    };
    const told = async (...words: readonly string[]) =>
      countsIn(await desk.ztrainc(['run', 'taught/taught.ztrain', '--dev-run', ...words]));
    expect(await told('teach.lr=1e-2')).toEqual([1, 0]);
    // The note is of the number that the run has.
    expect(await told('trainer.accumulate=3')).toEqual([1, 1]);
    expect(await told('train_set.batch=8')).toEqual([1, 1]);
    // An executable has no check before it.
    expect((await desk.ztrainc(['build', 'taught/taught.ztrain'])).code).toBe(0);
    const executable = join(desk.folder, 'taught', 'dist', 'taught.mjs');
    expect(countsIn(await start(executable, ['--dev-run'], { cwd: desk.folder }))).toEqual([0, 1]);
  }, 180_000);

  test('without its sweep has neither errors nor silence of what holds for runs of the sweep alone', async () => {
    mkdirSync(join(desk.folder, 'swept'));
    writeFileSync(join(desk.folder, 'swept', 'package.json'), '{}');
    const rows = (count: number): string =>
      `a,b,label\n${Array.from({ length: count }, (_, at) => `${at},1,${at % 2}\n`).join('')}`;
    writeFileSync(join(desk.folder, 'swept', 'one.csv'), rows(40));
    writeFileSync(join(desk.folder, 'swept', 'two.csv'), rows(8));
    const set = (name: string, batch: string): string =>
      `data ${name} = csv -> { x: f32[2], label: i32 } { file = "${name}.csv" columns = { x: ["a", "b"] } batch = ${batch} }\n`;
    const net = 'model Net on x: f32[n, 2] -> f32[n, 2] { return x |> dense(2) as head }\n';
    const loss = (batch: string): string => `mean(softmax_cross_entropy(Net(${batch}.x), ${batch}.label))`;
    writeFileSync(
      join(desk.folder, 'swept', 'warm.ztrain'),
      `param size: int = 4 where size > 0
${set('one', 'size')}${net}schedule warm { warmup(to = 0.1, over = 15.steps) cosine(to = 0.01, over = rest) }
optimizer opt = adam { of = Net lr = warm }
step train(batch in one) { update opt { minimize ${loss('batch')} } }
trainer Warm { epochs = 2 }
addon sweep { over = [axis(size, [1, 8])] pick = min(train.loss) }
`,
    );
    writeFileSync(
      join(desk.folder, 'swept', 'pairs.ztrain'),
      `${set('one', '8')}${set('two', '4')}${net}optimizer opt = adam { of = Net lr = 0.1 }
step train(batch in one, other in two) { update opt { minimize ${loss('batch')} + ${loss('other')} } }
trainer Pairs { epochs = 2 }
addon sweep { over = [axis(one.batch, [10, 5])] pick = min(train.loss) }
`,
    );
    const warm = await desk.ztrainc(['run', 'swept/warm.ztrain']);
    expect([warm.code, warm.stderr]).toEqual([1, expect.stringMatching(/ZT4202[\s\S]*size = 8/)]);
    expect((await desk.ztrainc(['run', 'swept/warm.ztrain', '--no-sweep'])).code).toBe(0);
    // Each run tells of its own: the check has told of the first of a sweep.
    const told = async (...words: readonly string[]): Promise<readonly string[]> => {
      const { code, stderr } = await desk.ztrainc(['run', 'swept/pairs.ztrain', '--dev-run', ...words]);
      expect(code).toBe(0);
      return stderr.match(/the last \d+ of the \d+ batches of one/g) ?? [];
    };
    expect(await told()).toEqual([
      'the last 2 of the 4 batches of one',
      'the last 6 of the 8 batches of one',
    ]);
    expect(await told('--no-sweep')).toEqual(['the last 3 of the 5 batches of one']);
  }, 180_000);

  test('tests and predicts with the weights', async () => {
    const mpg = 'cars/mpg.ztrain';
    mkdirSync(join(desk.folder, 'cars'));
    cpSync(join(root, 'specs', 'data'), join(desk.folder, 'cars', 'data'), { recursive: true });
    const text = readFileSync(join(root, 'specs', 'mpg.ztrain'), 'utf8');
    // Without the add-on, rows go to stdout.
    const rows = /^addon predictions.*$/m;
    writeFileSync(join(desk.folder, mpg), text.replace(rows, ''));
    expect((await desk.ztrainc(['run', mpg, 'trainer.epochs=5', '--run-dir', 'mpg'])).code).toBe(0);
    const tested = await desk.ztrainc(['test', mpg, '--from', 'mpg', '--json']);
    expect(tested.code).toBe(0);
    expect(JSON.parse(tested.stdout)).toHaveProperty('test.rmse');
    const predicted = await desk.ztrainc(['predict', mpg, '--from', 'mpg']);
    expect(predicted.code).toBe(0);
    expect(predicted.stdout.trim().split('\n')).toHaveLength(79);
    // Data starts at the spec; what is written goes to the current folder.
    writeFileSync(join(desk.folder, mpg), text.replace(rows, 'addon predictions { file = "rows.csv" }'));
    const written = await desk.ztrainc(['predict', mpg, '--from', 'mpg']);
    expect([written.code, written.stdout]).toEqual([0, '']);
    expect(readFileSync(join(desk.folder, 'rows.csv'), 'utf8')).toBe(predicted.stdout);
  });

  test('shows the spec’s params', async () => {
    const { code, stdout } = await desk.ztrainc(['run', digits, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('batch_size=32');
    expect(stdout).toContain('Rows in a training batch.');
  });

  test.each(['run', 'test', 'predict'])('%s --help without a spec says how it is called', async (command) => {
    const { code, stdout, stderr } = await desk.ztrainc([command, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^Usage: ztrainc ${command} .*name=value`));
    expect(stdout).toContain('--force-precision');
    expect((await desk.ztrainc(['run'])).stderr).toContain('name the spec to run');
  });

  test('names the command that goes on, with the options that were given', async () => {
    const train = (words: readonly string[]) => {
      let isTold = false;
      return desk.ztrainc(['run', digits, 'trainer.epochs=50', ...words], {
        watch: (stderr, kill) => {
          // A second one would end it at once.
          if (!isTold && stderr.includes('step 45 ')) kill('SIGINT');
          isTold ||= stderr.includes('step 45 ');
        },
      });
    };
    const first = await train(['--run-dir=plain', '--force-precision']);
    expect(first.code).toBe(130);
    expect(first.stderr).toMatch(/^go on: .* run \S+digits\.ztrain --resume plain --force-precision$/m);
    // The data that the spec names starts at the spec, unless that was said otherwise.
    const second = await train(['--run-dir=rooted', '--data-root=.', '--engine=embedded']);
    expect(second.stderr).toMatch(/^go on: .* --resume rooted --data-root=\. --engine=embedded$/m);
  }, 120_000);

  test.each([
    [['lr=fast'], 2, 'lr takes a number'],
    [['rl=1'], 2, 'lr'],
    [['lr=-1'], 2, 'lr > 0'],
    [['trainer.epoch=1'], 2, 'epochs'],
    [['lr=1', 'lr=2'], 2, 'lr is set twice'],
    [['--lr=3'], 2, 'write lr=3'],
    [['--lr', '3'], 2, 'params and attributes have no dashes'],
    [['--epochs', '3'], 2, 'write trainer.epochs=3'],
    [['--batch', '3'], 2, 'such as train_set.batch=3'],
    [['--run-dri=3'], 2, 'Did you mean --run-dir?'],
    [['--run-dir=a', '--run-dir', 'b'], 2, '--run-dir is given twice, a and b'],
    // A list that is given in parts, not one that is given twice.
    [['--allow', 'lr', '--allow=epochs'], 2, '--allow goes with --resume'],
    [['trainer.clip=1'], 2, 'trainer.clip cannot be set at the command line; set it in '],
    [['train_set.split=test'], 2, 'digits.ztrain:18'],
    [['warm.over=10'], 2, 'digits.ztrain:36'],
    [['--engine', 'tenserflow'], 2, 'tensorflow'],
    [['--devices', '2'], 2, 'devices'],
    [['--resume', 'auto', '--dev-run'], 2, 'a dev run writes nothing'],
    [['--dev-rum'], 2, '--dev-run'],
    [['other.ztrain'], 2, 'other.ztrain'],
  ])('%j ends with %i', async (words, expected, hint) => {
    const { code, stdout, stderr } = await desk.ztrainc(['run', digits, ...words]);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toContain(hint);
  });

  test('a spec with mistakes ends with 1', async () => {
    writeFileSync(join(desk.folder, 'wrong.ztrain'), 'trainer Digits { epochs: 10 }\n');
    const { code, stderr } = await desk.ztrainc(['run', 'wrong.ztrain']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('error[ZT')]);
  });

  test('a run that cannot write says where, and ends with 3', async () => {
    writeFileSync(join(desk.folder, 'occupied'), '');
    const { code, stderr } = await desk.ztrainc(['run', digits, ...short, '--run-dir', 'occupied/run']);
    expect(code).toBe(3);
    expect(stderr).toContain('occupied');
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s saves and ends with %i', async (signal, expected) => {
    let sent = false;
    const { code, stderr } = await desk.ztrainc(
      ['run', digits, 'trainer.epochs=2000', 'trainer.log_every=1.step', '--run-dir', signal],
      {
        watch: (text, kill) => {
          if (sent || !/epoch 1\//.test(text)) return;
          sent = true;
          kill(signal);
        },
      },
    );
    expect(code).toBe(expected);
    expect(stderr).toContain('saving');
    expect(readdirSync(join(desk.folder, signal, 'checkpoints'))).toContain('last');
  });

  test('works without a folder for its cache', async () => {
    writeFileSync(join(desk.folder, 'file'), '');
    // Where new entries are refused as if nothing were there, Node's own way to make folders never returns.
    const places = [join(desk.folder, 'file'), ...(existsSync('/proc/self') ? ['/proc/nowhere'] : [])];
    for (const XDG_CACHE_HOME of places) {
      const environment = { XDG_CACHE_HOME };
      expect((await desk.ztrainc(['run', digits, '--dev-run', '1'], { environment })).code).toBe(0);
    }
  });

  test('checks and bundles externs again only where one of them has changed', async () => {
    const folder = join(desk.folder, 'externs');
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{}');
    copyFileSync(join(root, 'specs', 'gpt.ztrain'), join(folder, 'gpt.ztrain'));
    const corpus = readFileSync(join(root, 'specs', 'corpus.ts'), 'utf8');
    const note = (text: string): void =>
      writeFileSync(join(folder, 'note.ts'), `console.error(${JSON.stringify(text)});\nexport {};\n`);
    writeFileSync(join(folder, 'corpus.ts'), `import './note.js';\n${corpus}`);
    note('one');
    const environment = { XDG_CACHE_HOME: join(desk.folder, 'kept') };
    const run = () => desk.ztrainc(['run', 'externs/gpt.ztrain', '--help'], { environment });
    expect((await run()).stderr).toBe('one\n');
    const cache = join(desk.folder, 'kept', 'ztrain');
    const [bundle] = readdirSync(cache).filter((name) => name.endsWith('.mjs'));
    // What is kept is what runs.
    const path = join(cache, bundle ?? '');
    writeFileSync(path, readFileSync(path, 'utf8').replace('console.error("one")', 'console.error("kept")'));
    expect((await run()).stderr).toBe('kept\n');
    note('two');
    expect((await run()).stderr).toBe('two\n');
    writeFileSync(join(folder, 'note.ts'), 'export const none = 1;\nlet it = = 2;\n');
    const broken = await run();
    expect(broken.code).toBe(2);
    expect(broken.stderr).toContain(
      'externs/gpt.ztrain cannot be bundled: externs/note.ts:2:10: Unexpected "="',
    );
    writeFileSync(join(folder, 'corpus.ts'), 'export const tokenWindows = (): string => "no data";\n');
    const { code, stderr } = await run();
    expect(code).toBe(1);
    expect(stderr).toContain('ZT6001');
  }, 120_000);

  test('does not believe what others may write to its cache', async () => {
    mkdirSync(join(desk.folder, 'open', 'ztrain'), { recursive: true });
    chmodSync(join(desk.folder, 'open', 'ztrain'), 0o777);
    const environment = { XDG_CACHE_HOME: join(desk.folder, 'open') };
    expect((await desk.ztrainc(['run', digits, '--dev-run', '1'], { environment })).code).toBe(0);
    expect(readdirSync(join(desk.folder, 'open', 'ztrain'))).toEqual([]);
  });
});

describe('build', () => {
  test('writes the trainer and an executable that needs nothing', async () => {
    const { code, stdout } = await desk.ztrainc(['build', 'project/digits.ztrain']);
    expect([code, stdout]).toEqual([0, '']);
    const trainer = readFileSync(join(desk.folder, 'project', 'generated', 'digits.ts'), 'utf8');
    expect(trainer).toContain('class DigitsTrainer extends Trainer');
    const executable = join(desk.folder, 'project', 'dist', 'digits.mjs');
    expect(statSync(executable).mode & 0o111).not.toBe(0);
    const alone = openDesk();
    try {
      copyFileSync(executable, join(alone.folder, 'digits.mjs'));
      const ran = await start(process.execPath, ['digits.mjs', 'trainer.epochs=3', 'batch_size=64'], {
        cwd: alone.folder,
      });
      expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('finished after 69 steps')]);
      expect(existsSync(join(alone.folder, 'runs'))).toBe(true);
      // Help names the file as it is called from here.
      const wrong = await start(process.execPath, ['digits.mjs', 'batch=3'], { cwd: alone.folder });
      expect(wrong.stderr).toContain('did you mean train_set.batch');
      expect(wrong.stderr).toContain('see ./digits.mjs --help');
      const help = await start(process.execPath, ['digits.mjs', '--help', 'train'], { cwd: alone.folder });
      expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('usage: ./digits.mjs [train]')]);
    } finally {
      alone.remove();
    }
  });

  test('--check tells a stale trainer and prints the command', async () => {
    const path = join(desk.folder, 'project', 'generated', 'digits.ts');
    expect((await desk.ztrainc(['build', '--check', 'project/digits.ztrain'])).code).toBe(0);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('epochs: 15', 'epochs: 16'));
    const { code, stderr } = await desk.ztrainc(['build', 'project/digits.ztrain', '--check']);
    expect(code).toBe(1);
    expect(stderr).toContain('ztrainc build project/digits.ztrain');
    const ran = await desk.ztrainc(['run', 'project/digits.ztrain', '--dev-run', '1']);
    expect([ran.code, ran.stderr]).toEqual([
      0,
      expect.stringContaining('is not what project/digits.ztrain gives'),
    ]);
    expect((await desk.ztrainc(['build', '--no-bundle', 'project/digits.ztrain'])).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test('says which file cannot be written', async () => {
    writeFileSync(join(desk.folder, 'in-the-way'), '');
    const { code, stderr } = await desk.ztrainc([
      'build',
      'project/digits.ztrain',
      '--out-dir',
      'in-the-way',
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('cannot write in-the-way/digits.mjs: ')]);
  });

  test('package.json says where trainers and executables go', async () => {
    const folder = join(desk.folder, 'settled');
    mkdirSync(join(folder, 'specs'), { recursive: true });
    writeFileSync(
      join(folder, 'package.json'),
      '{ "ztrain": { "generated": "src/trainers", "dist": "bin" } }',
    );
    copyFileSync(digits, join(folder, 'specs', 'digits.ztrain'));
    expect((await desk.ztrainc(['build', 'specs/digits.ztrain'], { cwd: folder })).code).toBe(0);
    expect(existsSync(join(folder, 'src', 'trainers', 'digits.ts'))).toBe(true);
    expect(existsSync(join(folder, 'bin', 'digits.mjs'))).toBe(true);
    writeFileSync(join(folder, 'package.json'), '{ "ztrain": { "out": "bin" } }');
    const { code, stderr } = await desk.ztrainc(['build', 'specs/digits.ztrain'], { cwd: folder });
    expect([code, stderr]).toEqual([2, expect.stringContaining('no setting "out"')]);
  });

  test('--watch builds again when the spec changes', async () => {
    const folder = join(desk.folder, 'watched');
    mkdirSync(folder);
    copyFileSync(digits, join(folder, 'digits.ztrain'));
    const trainer = join(folder, 'generated', 'digits.ts');
    let changed = false;
    const { stderr } = await desk.ztrainc(['build', '--watch', '--no-bundle', 'digits.ztrain'], {
      cwd: folder,
      watch: (text, kill) => {
        const rounds = text.split('watching').length - 1;
        if (rounds === 1 && !changed) {
          changed = true;
          writeFileSync(
            join(folder, 'digits.ztrain'),
            readFileSync(digits, 'utf8').replace('epochs = 15', 'epochs = 7'),
          );
        }
        if (existsSync(trainer) && readFileSync(trainer, 'utf8').includes('epochs: 7')) kill('SIGINT');
      },
    });
    expect(stderr).toContain('wrote');
    expect(readFileSync(trainer, 'utf8')).toContain('epochs: 7');
  });
});
