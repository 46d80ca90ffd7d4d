/** What a run that goes on says and keeps: its starts, what was allowed, that nothing is left, and how to go on once more. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Answer, Hooks } from '../../src/runtime/addons/addon.js';
import { lockFolder, lockName } from '../../src/runtime/checkpoint/lock.js';
import * as nn from '../../src/runtime/nn/index.js';
import type { PrepareOptions } from '../../src/runtime/trainer/prepared.js';
import { compareLocks, type Lock } from '../../src/runtime/trainer/run-lock.js';
import type { StopSignal } from '../../src/runtime/trainer/control.js';
import * as units from '../../src/values/units.js';
import { checkpoints, filesIn, killed, run, Saving, unsaid } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { Line, LineTrainer } from './tiny-trainer.js';

workInFolder('again');
beforeAll(() => killed('base'));

const again = (name: string, from = 'base'): string => {
  cpSync(from, name, { recursive: true });
  return name;
};
const json = (...path: readonly string[]) => JSON.parse(readFileSync(join(...path), 'utf8'));
const weights = (name: string, step = 15): Buffer =>
  readFileSync(join(name, 'checkpoints', `step-${String(step).padStart(8, '0')}`, 'model.safetensors'));

/** An add-on of these hooks beside those of `Saving`. */
const hooked = (hooks: Hooks<Answer>): typeof LineTrainer =>
  class extends Saving {
    protected override configureAddOns(): readonly AddOn[] {
      const own: AddOn = {
        kind: 'hooked',
        phase: 'core',
        owns: ['stop'],
        withOptions: () => own,
        start: () => hooks,
      };
      return [...super.configureAddOns(), own];
    }
  };

describe('run.json', () => {
  test('keeps the first start, and lists the others with what was allowed', async () => {
    again('starts');
    const first = json('starts', 'run.json');
    expect(first.starts).toEqual([
      expect.objectContaining({ from: null, step: 0, allowed: [], compiler: '0.1.0', node: process.version }),
    ]);
    expect(first.started).toBe(first.starts[0].at);
    // Killed once more, after step 10.
    const path = join('starts', 'checkpoints');
    const stopped = await run(
      ['--resume', 'starts', 'lr=0.05', '--allow=lr'],
      hooked({
        settled: ({ step }) => {
          if (step === 11) throw new Error('the machine is gone');
        },
      }),
    );
    expect(stopped.code).toBe(3);
    const { code, text } = await run(['--resume', 'starts']);
    expect(text).toContain('goes on after step 11');
    expect(code).toBe(0);
    const about = json('starts', 'run.json');
    expect(about.started).toBe(first.started);
    expect(about.starts).toMatchObject([
      { at: first.started, from: null, reason: null },
      {
        from: 'step-00000008',
        step: 8,
        allowed: ['lr was 0.1, is 0.05'],
        reason: expect.stringContaining('the machine is gone'),
      },
      { from: 'step-00000011', step: 11, allowed: [], reason: 'finished', ended: about.ended },
    ]);
    expect(about.params).toMatchObject({ lr: 0.05 });
    expect(text).toContain('resumed after steps 8, 11\n');
    expect(json('starts', 'summary.json').resumes).toEqual([8, 11]);
    expect(readdirSync(path)).toContain('step-00000015');
    // The table of weights is that of the first start.
    const log = readFileSync('starts/console.log', 'utf8');
    expect(log.match(/^weights +shape/gm)).toHaveLength(1);
  });
});

describe('nothing is left', () => {
  test('of a run that has finished: it is said, and nothing is touched', async () => {
    expect((await run(['--run-dir=done'])).code).toBe(0);
    const files = filesIn('done');
    for (const words of [
      ['--resume=done'],
      ['--run-dir=done', '--resume=auto'],
      ['--resume=done/checkpoints/last'],
    ]) {
      const { code, text } = await run(words);
      expect(code).toBe(0);
      expect(text).toContain('nothing is left to do: done has finished its 15 steps\n');
      expect(text).toContain('to train longer: ./line.mjs --resume done trainer.epochs=6 --allow epochs\n');
    }
    expect(filesIn('done')).toEqual(files);
  });

  test('not of one that was killed before it said so', async () => {
    again('unsaid', 'done');
    rmSync('unsaid/summary.json');
    unsaid('unsaid');
    const { code, text } = await run(['--resume', 'unsaid']);
    expect(code).toBe(0);
    expect(text).not.toContain('nothing is left');
    expect(json('unsaid', 'summary.json').reason).toBe('finished');
    expect(readFileSync('unsaid/metrics.jsonl', 'utf8')).toBe(readFileSync('done/metrics.jsonl', 'utf8'));
  });

  test('of one that its add-on stopped, unless what stopped it is changed', async () => {
    const stopping = hooked({
      stepEnd: ({ step }) => (step === 6 ? { end: 'run', because: 'it is enough' } : undefined),
    });
    expect((await run(['--run-dir=stopped'], stopping)).code).toBe(0);
    const { code, text } = await run(['--resume', 'stopped'], stopping);
    expect(code).toBe(0);
    expect(text).toContain('nothing is left to do: stopped was stopped after step 6 (it is enough)\n');
    const on = await run(['--resume', 'stopped', 'trainer.epochs=4', '--allow=epochs'], stopping);
    expect(on.text).toContain('goes on after step 6');
    expect(json('stopped', 'summary.json')).toMatchObject({ steps: 20, reason: 'finished' });
  });
});

describe('killed at the end of what was asked', () => {
  test('after the stopping step was saved: it stops there, and says why', async () => {
    const stopping = hooked({
      stepEnd: ({ step }) => (step === 6 ? { end: 'run', because: 'it is enough' } : undefined),
    });
    expect((await run(['--run-dir=wish'], stopping)).code).toBe(0);
    const whole = filesIn('wish').filter((line) => line.includes('step-00000006/model'));
    rmSync('wish/summary.json');
    unsaid('wish');
    const { code } = await run(['--resume', 'wish'], hooked({}));
    expect(code).toBe(0);
    expect(json('wish', 'summary.json')).toMatchObject({
      steps: 6,
      reason: 'stopped',
      because: 'it is enough',
    });
    expect(filesIn('wish').filter((line) => line.includes('step-00000006/model'))).toEqual(whole);
  });

  test('in the validation of an epoch that is cut short: the rest of it is passed over all the same', async () => {
    const skipping = (stop: ((signal: StopSignal) => void) | null): typeof LineTrainer =>
      hooked({
        stepEnd: ({ step }) => (step === 7 ? 'end-epoch' : undefined),
        // At step 10, to which the clock was set.
        validationBatch: ({ step }, { done }) => {
          if (step === 10 && done === 1) stop?.('SIGTERM');
        },
      });
    expect((await run(['--run-dir=skip'], skipping(null))).code).toBe(0);
    let send: (signal: StopSignal) => void = () => undefined;
    const cut = await run(
      ['--run-dir=cut'],
      skipping((signal) => send(signal)),
      {
        onSignal: (listener) => {
          send = listener;
          return () => undefined;
        },
      },
    );
    expect(cut.code).toBe(143);
    expect(json('cut', 'checkpoints/step-00000010/state.json').loop.left).toBe('skipValidate');
    expect((await run(['--resume', 'cut'], skipping(null))).code).toBe(0);
    expect(weights('cut').equals(weights('skip'))).toBe(true);
    const lines = (name: string): unknown =>
      readFileSync(join(name, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .map(({ stage, over, step, loss }) => [stage, over, step, loss]);
    expect(lines('cut')).toEqual(lines('skip'));
  });
});

describe('where it goes on', () => {
  test.each(['checkpoints/last', 'checkpoints/best', 'checkpoints'])('%s is a path', async (path) => {
    const name = again(`path-${path.replace('/', '-')}`);
    const { code, text } = await run(['--resume', join(name, path)]);
    expect(text).toMatch(/goes on after step [58], /);
    expect(code).toBe(0);
  });

  test('a pointer that names nothing', async () => {
    again('lost-best');
    rmSync('lost-best/checkpoints/best');
    const { code, text } = await run(['--resume', 'lost-best/checkpoints/best']);
    expect(code).toBe(3);
    expect(text).toContain(
      "lost-best/checkpoints/best names no checkpoint; give the run's folder, lost-best",
    );
  });

  test('--run-dir of the same run, and of another one', async () => {
    again('same');
    const refused = await run(['--run-dir=base', '--resume=same']);
    expect(refused.code).toBe(2);
    expect(refused.text).toContain('--run-dir base and --resume same are two runs');
    const { code, text } = await run(['--run-dir=./same/', '--resume=same']);
    expect(text).toContain('goes on after step 8');
    expect(code).toBe(0);
  });

  test('a folder with other files is no place, and is not called a new run', async () => {
    mkdirSync('junk');
    writeFileSync('junk/notes.txt', '');
    const { code, text } = await run(['--run-dir=junk', '--resume=auto']);
    expect(code).toBe(3);
    expect(text).toContain('junk holds other files (notes.txt)');
    expect(text).not.toContain('new run');
  });

  test('anew, where the spec would go on', async () => {
    class Always extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [addons.checkpoint({ every: units.steps(2), keep: 20, resume: 'auto' })];
      }
    }
    again('anew');
    const refused = await run(['--run-dir=anew', '--resume=none'], Always);
    expect(refused.code).toBe(3);
    expect(refused.text).toContain('anew holds a run already');
    const { code, text } = await run(['--run-dir=anew-2', '--resume=none'], Always);
    expect(text).not.toContain('go on with');
    expect(code).toBe(0);
    expect((await run(['--resume=none', '--allow=lr'])).text).toContain('--allow goes with --resume');
  });

  test('not with weights that do not fit, and then nothing is touched', async () => {
    again('misfit');
    const files = filesIn('misfit');
    class WideLine extends Line {
      constructor() {
        super();
        this.add('more', nn.dense({ inputs: 2, units: 3 }));
      }
    }
    class Wider extends Saving {
      protected override configureModels() {
        return { line: new WideLine() };
      }
    }
    const { code, text } = await run(['--resume', 'misfit', '--allow=spec'], Wider);
    expect(code).toBe(3);
    expect(text).toContain('the checkpoint does not fit the models');
    expect(filesIn('misfit')).toEqual(files);
    // A prediction finds it by the manifest alone, before it reads what may be large.
    for (const name of checkpoints('misfit'))
      truncateSync(join('misfit', 'checkpoints', name, 'model.safetensors'), 0);
    const predicted = await run(['predict', '--from=misfit'], Wider);
    expect(predicted.text).toContain('lacks Line.more.weight, Line.more.bias');
    expect(predicted.code).toBe(3);
  });

  test('and what can be the cause of that is said: params, the spec, or code, and what to take', async () => {
    again('cause');
    class Wide extends Line {
      constructor(isWide: boolean) {
        super();
        if (isWide) this.add('more', nn.dense({ inputs: 2, units: 3 }));
      }
    }
    class ByParam extends Saving {
      protected override configureModels() {
        return { line: new Wide(this.params.mode === 'other') };
      }
    }
    class ByCode extends Saving {
      protected override configureModels() {
        return { line: new Wide(true) };
      }
    }
    class BySpec extends ByCode {
      static override readonly spec = {
        ...LineTrainer.spec,
        sha256: '01',
        files: [{ path: 'line.ztrain', text: 'model Wide' }],
      };
    }
    const since = '; since it was written, this has changed:\n';
    const param = '  mode was plain, is other\n';
    const spec = '  line.ztrain: - trainer LineTrainer {}\n  line.ztrain: + model Wide\n';
    const kept =
      'the spec that it was trained with, which it keeps: test and predict of ztrainc take that one where no spec is named\n';
    const params = 'the params that it was trained with, mode=plain';
    const code = '; its params and its spec are the same, so code that makes models';
    const causes = [
      [ByParam, ['mode=other'], `${since}${param}take ${params}\n`],
      [BySpec, [], `${since}${spec}take ${kept}`],
      // A param that changes no model is told beside the spec: which of both it was is not known.
      [BySpec, ['mode=other'], `${since}${param}${spec}take ${params}, and ${kept}`],
      [ByCode, [], code],
    ] as const;
    for (const [trainer, words, cause] of causes)
      for (const command of [
        ['test', '--from=cause'],
        ['--resume=cause', '--allow=spec,mode'],
      ]) {
        const { text, code: exit } = await run([...command, ...words], trainer);
        expect([exit, text]).toEqual([3, expect.stringContaining(`Line.more.bias${cause}`)]);
      }
    // Of what has no text of its spec the digest tells.
    const { files: _none, ...bare } = BySpec.spec;
    class Alone extends BySpec {
      static override readonly spec = bare as typeof BySpec.spec;
    }
    expect((await run(['test', '--from=cause'], Alone)).text).toContain(
      `${since}  the spec is another one, of which one side has no text\ntake ${kept}`,
    );
  });

  test('not in a folder in which another process has not saved anything yet', async () => {
    again('young');
    rmSync('young/checkpoints', { recursive: true });
    const lock = lockFolder('young');
    const { code, text } = await run(['--run-dir=young', '--resume=auto']);
    lock.release();
    expect(code).toBe(3);
    expect(text).toContain('young is being written by process');
    expect(existsSync('young.before-1')).toBe(false);
  });
});

describe('what has to be the same', () => {
  class Renamed extends Saving {
    static override readonly spec = {
      ...LineTrainer.spec,
      files: (LineTrainer.spec.files ?? []).map(({ text }) => ({ path: 'curve.ztrain', text })),
    };
  }
  class Newer extends Saving {
    static override readonly spec = { ...LineTrainer.spec, compiler: '0.2.0' };
  }
  const withCode = (sha256: string): typeof LineTrainer =>
    class extends Saving {
      static override readonly spec = { ...LineTrainer.spec, externs: [{ path: 'rows.ts', sha256 }] };
    };

  test('not the name of the spec', async () => {
    const { code, text } = await run(['--resume', again('renamed')], Renamed);
    expect(code).toBe(0);
    expect(text).not.toContain('allowed');
  });

  test('not the compiler, but it is said', async () => {
    const { code, text } = await run(['--resume', again('newer')], Newer);
    expect(text).toContain('the run was built by ztrainc 0.1.0, this is 0.2.0');
    expect(code).toBe(0);
  });

  test('the code of externs', async () => {
    await killed('coded', [], withCode('aa'));
    const { code, text } = await run(['--resume', 'coded'], withCode('bb'));
    expect(code).toBe(3);
    expect(text).toContain('rows.ts, code of an extern, has changed');
    expect(text).toContain('--allow spec');
    expect((await run(['--resume', 'coded'], withCode('aa'))).code).toBe(0);
  });

  test('what the precision has come to', () => {
    const lock: Lock = {
      params: {},
      options: { precision: 'mixed' },
      overrides: [],
      data: {},
      spec: [],
      externs: [],
      computes_in: 'bf16',
    };
    const now = { ...lock, computes_in: 'f32' };
    expect(() => compareLocks('run', lock, now, [])).toThrow(
      /it computed in bf16, this device computes in f32\n.*--allow precision/,
    );
    expect(compareLocks('run', lock, now, ['precision'])).toHaveLength(1);
    expect(compareLocks('run', lock, lock, [])).toEqual([]);
  });

  test('lines of metrics, unless it is meant', async () => {
    again('lineless');
    rmSync('lineless/metrics.jsonl');
    const refused = await run(['--resume', 'lineless']);
    expect(refused.code).toBe(3);
    expect(refused.text).toContain('put it back, or say that it is meant: --allow metrics');
    writeFileSync('lineless/metrics.jsonl', '{"stage":"train","over":"window","step":2}\n{"stage":"tr');
    const { code, text } = await run(['--resume', 'lineless', '--allow=metrics']);
    expect(text).toMatch(/allowed: .*metrics\.jsonl has 55 bytes, and had \d+ when/);
    expect(code).toBe(0);
    const steps = readFileSync('lineless/metrics.jsonl', 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .flatMap(({ over, step }) => (over === 'window' ? [step] : []));
    expect(steps).toEqual([2, 12, 14]);
  });

  test('the advice where all is damaged', async () => {
    again('ruins');
    for (const each of checkpoints('ruins'))
      writeFileSync(join('ruins', 'checkpoints', each, 'state.json'), '');
    expect((await run(['--resume', 'ruins'])).text).toContain(
      'put a whole one back, or begin anew: --resume none with another --run-dir',
    );
  });

  test('params of a test: who gives others is told', async () => {
    const { code, text } = await run(['test', '--from', 'base', 'lr=3']);
    expect(text).toContain('note: lr was 0.1 when these weights were trained, and is 3 here\n');
    expect(code).toBe(0);
    expect((await run(['test', '--from', 'base', 'lr=0.1'])).text).not.toContain('note: lr');
  });

  test('the ways of the native engine, while another engine goes on', async () => {
    class Compiled extends Saving {
      override async prepare(options: PrepareOptions) {
        const prepared = await super.prepare(options);
        Object.defineProperty(prepared.session.engine, 'ways', { value: { train: 'graph' } });
        return prepared;
      }
    }
    await killed('ways', [], Compiled);
    expect((await run(['--resume', 'ways'])).code).toBe(0);
    expect(json('ways', 'checkpoints/step-00000014/state.json').compile).toEqual({ train: 'graph' });
  });
});

describe('how to go on', () => {
  const words = ['--data-root=.', '--engine=embedded', '--devices=cpu', '--force-precision'];
  const command = (name: string): string =>
    `go on: ./line.mjs --resume ${name} --data-root=. --engine=embedded --devices=cpu --force-precision\n`;

  test('after a signal, with the options that were given', async () => {
    let send: (signal: StopSignal) => void = () => undefined;
    const { code, text } = await run(
      ['--run-dir=signal', ...words],
      hooked({
        stepEnd: ({ step }) => {
          if (step === 3) send('SIGINT');
          return undefined;
        },
      }),
      {
        onSignal: (listener) => {
          send = listener;
          return () => undefined;
        },
      },
    );
    expect(code).toBe(130);
    expect(text).toContain(command('signal'));
  });

  test('after a second signal, as the last line', async () => {
    let send: (signal: StopSignal) => void = () => undefined;
    let last = '';
    const said: string[] = [];
    await run(
      ['--run-dir=twice', ...words],
      hooked({
        stepEnd: ({ step }) => {
          if (step !== 5) return undefined;
          send('SIGINT');
          send('SIGINT');
          return undefined;
        },
      }),
      {
        stderr: { write: (text) => said.push(text) },
        onSignal: (listener) => {
          send = listener;
          return () => undefined;
        },
        // The process is gone here.
        exit: () => {
          last = said.join('');
        },
      },
    );
    expect(last).toMatch(/\nended at once by SIGINT, saved at step [24]\n/);
    expect(last.endsWith(command('twice'))).toBe(true);
  });

  test('after a disk that refused, once that is told', async () => {
    const { code, text } = await run(
      ['--run-dir=full', ...words],
      hooked({
        stepEnd: ({ step }) => {
          // Where the next checkpoint would go.
          if (step === 5) symlinkSync('nowhere', 'full/checkpoints/step-00000006');
          return undefined;
        },
      }),
    );
    expect(code).toBe(3);
    expect(text).toMatch(/error: cannot save the checkpoint .*a link stands there/);
    expect(text.endsWith(command('full'))).toBe(true);
  });
});

describe('a folder that is not the run’s any more', () => {
  test.each([
    ['its lock was removed', false, 'its .lock was removed by somebody'],
    ['another process has it', true, `its .lock was taken over by process ${process.pid}`],
  ])('%s: it writes nothing more', async (name, isTaken, message) => {
    const own = name.replaceAll(' ', '-');
    let files: readonly string[] = [];
    const { code, text } = await run(
      [`--run-dir=${own}`],
      hooked({
        stepEnd: async ({ step }) => {
          if (step !== 5) return undefined;
          // What is being written comes to its end.
          await expect
            .poll(() => readFileSync(join(own, 'checkpoints/last'), 'utf8'), { timeout: 20_000 })
            .toBe('step-00000004\n');
          rmSync(join(own, lockName), { recursive: true });
          if (isTaken) lockFolder(own);
          files = filesIn(own);
          return undefined;
        },
      }),
    );
    expect(code).toBe(3);
    expect(text).toContain(`${own} is not this run's any more: ${message}`);
    const isWriting = (line: string): boolean => line.includes('.tmp-') || line.includes(lockName);
    expect(filesIn(own).filter((line) => !isWriting(line))).toEqual(files.filter((line) => !isWriting(line)));
  });
});
