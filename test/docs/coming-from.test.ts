/**
 * The page for people who know another trainer: each spelling in the middle column of its tables is compiled, what is "not yet" is
 * refused as such, and no option of the others is left out.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { readPage, root } from './markdown.js';

interface Row {
  readonly section: string;
  readonly there: string;
  readonly here: string;
}

const rowsOf = (page: string): readonly Row[] => {
  let section = '';
  return page.split('\n').flatMap((line): readonly Row[] => {
    if (line.startsWith('## ')) section = line.slice(3);
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
    const [, there = '', here = ''] = cells;
    return cells.length !== 5 || there === 'there' || there.startsWith('---')
      ? []
      : [{ section, there, here }];
  });
};

const page = readPage('docs/coming-from.md');
const rows = rowsOf(page);
const codeIn = (cell: string): readonly string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

const classifier = readFileSync(join(root, 'test/docs/preambles/classifier.ztrain'), 'utf8');
const body = 'softmax_cross_entropy(Net(batch.image), batch.label)';
/** What a whole spec has besides, unless the spelling declares it. */
const others: readonly (readonly [RegExp, string])[] = [
  [/(^|\} )optimizer /, 'optimizer opt = adam { of = Net lr = lr }'],
  [/(^|\} )step train/, `step train(batch in train_set) { update opt { minimize mean(${body}) } }`],
  [
    /^step validate/,
    `step validate(batch in test_set) every 1.epoch { metric loss = mean(${body}) metric accuracy = accuracy(Net(batch.image), batch.label) }`,
  ],
];

/** `name = value` alone is an option of the trainer. */
const wholeSpec = (code: string): string => {
  const option = /^\w+ = /.test(code);
  const length = option && /^(epochs|steps) /.test(code) ? '' : 'epochs = 20 ';
  return [
    classifier,
    ...others.flatMap(([declared, text]) => (declared.test(code) ? [] : [text])),
    `trainer T { ${length}${option ? code : ''} }`,
    ...(option ? [] : [code]),
  ].join('\n');
};

const errorsOf = (code: string): readonly string[] => {
  const path = '/project/example.ztrain';
  // What an extern declares is held against its file when a trainer is built.
  const files = [...code.matchAll(/"\.\/(\w+\.ts)"/g)].map(
    ([, file = '']) => [`/project/${file}`, ''] as const,
  );
  const host = memoryHost({ [path]: wholeSpec(code), ...Object.fromEntries(files) });
  const { diagnostics } = checkProgram(path, host);
  return diagnostics
    .filter(({ severity }) => severity === 'error')
    .map((each) => `${each.code} ${each.message}`);
};

const cells = rows.flatMap(({ there, here }) => codeIn(here).map((code) => [there, here, code] as const));
const isCommand = (code: string): boolean => code.startsWith('ztrainc ');

describe('spellings', () => {
  const built = cells.filter(([, here, code]) => !here.startsWith('not yet') && !isCommand(code));
  test.each([...new Set(built.map(([, , code]) => code))])('%s', (code) =>
    expect(errorsOf(code)).toEqual([]),
  );

  const later = cells.filter(([, here]) => here.startsWith('not yet'));
  test.each([...new Set(later.map(([, , code]) => code))])('not yet: %s', (code) => {
    const errors = errorsOf(code);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.filter((error) => !error.startsWith('ZT4900'))).toEqual([]);
  });

  test('commands have the options that they are shown with', () => {
    const main = readFileSync(join(root, 'src/cli/main.ts'), 'utf8');
    for (const [, , code] of cells.filter(([, , each]) => isCommand(each))) {
      const [, command = '', ...words] = code.split(' ');
      expect(main, code).toMatch(new RegExp(`command\\('${command}'\\)`));
      for (const option of words.filter((word) => word.startsWith('--')))
        expect(main).toContain(`'${option} `);
    }
  });

  /** What takes no spelling of the language: the last column says more. */
  const wordsOnly: ReadonlySet<string> = new Set(['refused', 'from TypeScript']);

  test('each row says how, that it is not there yet, or that it is refused and why', () => {
    const silent = rows.filter(({ here }) => codeIn(here).length === 0 && !wordsOnly.has(here));
    expect(silent.map(({ there }) => there)).toEqual([]);
    const why = page.split('\n').filter((line) => /\| (?:refused|from TypeScript) \|\s*\|$/.test(line));
    expect(why).toEqual([]);
  });
});

/** Rows of two columns: hooks. */
const hookRows = page
  .split('### ')
  .slice(1)
  .flatMap((part) => {
    const [section = ''] = part.split('\n');
    return part.split('\n').flatMap((line) => {
      const [, there = '', here = '', end] = line.split('|').map((cell) => cell.trim());
      return end !== '' || there === 'there' || there.startsWith('---') || line.split('|').length !== 4
        ? []
        : [{ section, there, here }];
    });
  });

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

describe('options of others', () => {
  const all: readonly (readonly [string, readonly string[]])[] = [
    [
      'PyTorch Lightning',
      words(`accelerator strategy devices num_nodes precision logger callbacks fast_dev_run max_epochs min_epochs
        max_steps min_steps max_time limit_train_batches limit_val_batches limit_test_batches limit_predict_batches
        overfit_batches val_check_interval check_val_every_n_epoch num_sanity_val_steps log_every_n_steps
        enable_checkpointing enable_progress_bar enable_model_summary accumulate_grad_batches gradient_clip_val
        gradient_clip_algorithm deterministic benchmark inference_mode use_distributed_sampler profiler detect_anomaly
        barebones plugins sync_batchnorm reload_dataloaders_every_n_epochs default_root_dir enable_autolog_hparams
        model_registry training_step validation_step test_step predict_step configure_optimizers EarlyStopping strict
        verbose check_on_train_epoch_end interval frequency monitor ModelCheckpoint save_weights_only EMAWeightAveraging
        BackboneFinetuning BatchSizeFinder LearningRateFinder LearningRateMonitor DeviceStatsMonitor seed_everything
        advanced pytorch xla`),
    ],
    [
      'zae-engine',
      words(`model device mode optimizer scheduler log_bar scheduler_step_on_batch gradient_clip train_step test_step
        run_epoch run_batch add_on toggle check_better save_path save_format save_model load_state apply_weights
        web_logger init_method precision signal_save_path signal_log_path inference metric_on_epoch_end log_train
        log_test log_reset get_loss_history StateManagerAddon WandBLoggerAddon NeptuneLoggerAddon MultiGPUAddon
        PrecisionMixerAddon SignalHandlerAddon ProgressChecker SchedulerChain model.ckpt model.safetensor optimizer.zae
        scheduler.zae`),
    ],
    [
      'lis2',
      words(`output_dir run_name model train_dataset val_dataset test_dataset optimizer scheduler early_stopper
        batch_size num_workers epochs save_interval trackers save_last metrics labelled gridsearch preconditions
        from_snapshot get_final_info best_loss metrics_train metrics_test best.pt last.pt save_{epoch}.pt config.yaml logs_train.csv test_results.csv
        MODEL TRAIN_INFO MODEL_CONFIG MODEL_STATE EPOCHS_RUN BEST_LOSS OPTIMIZER_STATE SCHEDULER_STATE GLOBAL_CONFIG`),
    ],
    [
      'Dream Trainer',
      words(`configure_models configure_optimizers configure_schedulers configure_dataloaders configure_metrics
        compute_metrics training_step validation_step validation_loop backward step training_loop should_validate
        val_every_n_steps n_epochs current_epoch train_steps_per_epoch val_steps_per_epoch num_sanity_val_steps
        train_data_dir val_data_dir train_batch_size val_batch_size num_workers DistributedSampler learning_rate g_lr d_lr gradient_accumulation_steps
        gradient_clip_val clip_gradients autocast compile_model seed project group experiment world_size global_rank
        is_distributed wrap_model device_parameters save_checkpoint load_checkpoint resume_mode resume_data monitor
        keep_top_k strict_load log_metrics Callback on_train_batch_end on_validation_batch_end EMACallback
        LoadPartialCheckpointCallback cpu_offload`),
    ],
    [
      'Optimizers of PyTorch',
      words(`Adadelta Adafactor Adagrad Adam AdamW SparseAdam Adamax ASGD LBFGS Muon NAdam RAdam RMSprop Rprop SGD amsgrad
        maximize foreach fused capturable differentiable param_groups`),
    ],
    [
      'Schedulers of PyTorch',
      words(`LambdaLR MultiplicativeLR StepLR MultiStepLR ConstantLR LinearLR ExponentialLR PolynomialLR CosineAnnealingLR
        ChainedScheduler SequentialLR ReduceLROnPlateau CyclicLR OneCycleLR CosineAnnealingWarmRestarts SWALR AveragedModel`),
    ],
  ];
  test.each(all)('%s', (section, options) => {
    const named = new Set(
      rows.filter((row) => row.section === section).flatMap(({ there }) => codeIn(there)),
    );
    expect(options.filter((option) => !named.has(option))).toEqual([]);
    expect(options.filter((option, index) => options.indexOf(option) !== index)).toEqual([]);
  });
});

describe('hooks of others', () => {
  const addOn = readFileSync(join(root, 'src/runtime/addons/addon.ts'), 'utf8');
  const [, declared = ''] = /export interface Hooks<[^>]*> \{([\s\S]*?)\n\}/.exec(addOn) ?? [];
  const own = new Set([...declared.matchAll(/^ {2}(\w+)\?\(/gm)].map(([, name = '']) => name));

  const all: readonly (readonly [string, readonly string[]])[] = [
    [
      'Hooks of PyTorch Lightning',
      words(`configure_callbacks prepare_data setup configure_model configure_optimizers on_fit_start on_sanity_check_start
        on_sanity_check_end on_train_start on_train_epoch_start on_train_batch_start on_before_batch_transfer
        transfer_batch_to_device on_after_batch_transfer training_step on_before_zero_grad optimizer_zero_grad
        on_before_backward backward on_after_backward on_before_optimizer_step configure_gradient_clipping optimizer_step
        lr_scheduler_step on_train_batch_end on_validation_model_eval on_validation_model_zero_grad on_validation_start
        on_validation_epoch_start on_validation_batch_start validation_step on_validation_batch_end
        on_validation_epoch_end on_validation_end on_validation_model_train on_train_epoch_end on_train_end on_fit_end
        on_test_start on_test_epoch_start on_test_batch_start on_test_batch_end on_test_epoch_end on_test_end
        on_test_model_eval on_test_model_train on_predict_start on_predict_epoch_start on_predict_batch_start
        on_predict_batch_end on_predict_epoch_end on_predict_end on_predict_model_eval on_predict_model_train
        on_exception on_save_checkpoint on_load_checkpoint state_dict load_state_dict teardown forward test_step
        predict_step train_dataloader val_dataloader test_dataloader predict_dataloader`),
    ],
    [
      'Hooks of Dream Trainer',
      words(`pre_launch pre_configure post_configure pre_setup post_setup pre_fit pre_epoch pre_train_epoch pre_train_step
        post_train_step pre_optimizer_step post_optimizer_step pre_optimizer_zero_grad post_optimizer_zero_grad
        pre_validation_epoch post_validation_epoch pre_validation_step post_validation_step post_train_epoch post_epoch
        post_fit on_interrupt train_context validation_context state_dict load_state_dict RankZeroCallback`),
    ],
  ];
  test.each(all)('%s', (section, hooks) => {
    const named = hookRows.filter((row) => row.section === section).flatMap(({ there }) => codeIn(there));
    expect(hooks.filter((hook) => !named.includes(hook))).toEqual([]);
    expect(named.filter((hook, index) => named.indexOf(hook) !== index)).toEqual([]);
  });

  test('each is a hook of an add-on, said in the spec, or refused and why', () => {
    expect(own.size).toBeGreaterThan(20);
    const wrong = hookRows.filter(({ here }) => {
      if (/^(the spec: `\w|refused: .{10}|the spec: \w.{10})/.test(here)) return false;
      const names = codeIn(here);
      return names.length === 0 || names.some((name) => !own.has(name));
    });
    expect(wrong).toEqual([]);
  });
});
