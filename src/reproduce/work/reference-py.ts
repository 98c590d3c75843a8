/**
 * The Python side of the overhead experiment: measures the reference's own tree and scales, on one thread, called as
 * its trainer calls them. Its module is loaded by file, not as a package, so of its requirements only torch and
 * transformers are needed; `peft`, which the tree does not use, is replaced by a stub if it is missing.
 */
export const REFERENCE_PY = `
import importlib.util, json, statistics, sys, time, types
import torch

folder, groups, rounds = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
torch.set_num_threads(1)
if importlib.util.find_spec('peft') is None:
    peft = types.ModuleType('peft')
    peft.PeftModel = type('PeftModel', (), {})
    sys.modules['peft'] = peft
spec = importlib.util.spec_from_file_location('reference_utils', folder + '/lambda_grpo/utils.py')
utils = importlib.util.module_from_spec(spec)
spec.loader.exec_module(utils)

tokens = sum(len(c) for g in groups for c in g)
groups = [[torch.tensor(c) for c in g] for g in groups]
times = []
for turn in range(rounds + 1):
    start = time.perf_counter()
    for group in groups:
        utils.InfPRMTree(group).loss_scales(device='cpu')
    times.append((time.perf_counter() - start) / tokens)
print(statistics.median(times[1:]))
`;
