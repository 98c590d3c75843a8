"""λ-GRPO for TRL's GRPOTrainer. Run against TRL 1.16.0, transformers 5.23.0, torch 2.13.0 (scripts/python/check_trl.py).

Use LambdaGRPOTrainer instead of GRPOTrainer; nothing else changes. Every token's whole term, policy and KL, is multiplied
by 1/|λ|, where |λ| is the number of completions of its group that share the prefix up to and including the token.
"""

import torch
from accelerate.utils import gather_object
from trl import GRPOTrainer


def lambda_weights(group):
    """1/|λ| of every token. `group`: token ids of each completion, k lists; returns k lists of the same lengths."""
    nodes, count, paths = {}, [], []
    for tokens in group:
        node, path = -1, []
        for token in tokens:
            node = nodes.setdefault((node, token), len(nodes))  # a prefix is the shorter prefix plus its last token
            if node == len(count):
                count.append(0)
            count[node] += 1
            path.append(node)
        paths.append(path)
    return [[1 / count[node] for node in path] for path in paths]


class LambdaGRPOTrainer(GRPOTrainer):
    _scale = None

    def _generate_and_score_completions(self, inputs):
        # Here groups are still complete and in order. Values added to the batch are shuffled and split with it.
        batch = super()._generate_and_score_completions(inputs)
        kept = zip(batch["completion_ids"], batch["completion_mask"].bool())
        local = [ids[mask].tolist() for ids, mask in kept]
        everyone = gather_object(local)  # a group may be spread over processes
        k = self.num_generations if self.model.training else self.num_generations_eval
        weights = [w for g in range(0, len(everyone), k) for w in lambda_weights(everyone[g : g + k])]
        first = self.accelerator.process_index * len(local)
        batch["lambda_weights"] = torch.ones_like(batch["completion_ids"], dtype=torch.float32)
        for row, w in zip(batch["lambda_weights"], weights[first : first + len(local)]):
            row[: len(w)] = torch.tensor(w)
        return batch

    def _compute_loss(self, model, inputs):
        self._scale = inputs.get("lambda_weights")
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self._scale = None

    def _get_per_token_logps_and_entropies(self, *args, **kwargs):
        # The values stay the same, but their gradients are multiplied by 1/|λ|: every term of a token depends on them.
        logps, *others = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if self._scale is not None:
            logps = logps.detach() + self._scale * (logps - logps.detach())
        return (logps, *others)


class LambdaGRPOTrainerWithoutKL(LambdaGRPOTrainer):
    """A shorter way for beta = 0: TRL accepts advantages of shape (B, T), so they can be multiplied by the factor.

    Without a KL term the two methods above are not needed, only this one in a subclass of GRPOTrainer.
    """

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        batch["advantages"] = batch["advantages"].unsqueeze(1) * batch.pop("lambda_weights")
        return batch
