"""λ-GRPO for veRL. Written against veRL 0.7.0 (verl/trainer/ppo/ray_trainer.py, verl/trainer/main_ppo.py).

Tested on the CPU: veRL's own advantages and policy loss with the code below (scripts/python/check_verl.py).
NOT tested: the Ray trainer with its GPU workers, and so LambdaTaskRunner; of main, only that the configuration composes.

    python verl_lambda_grpo.py <the overrides of verl.trainer.main_ppo>

with algorithm.adv_estimator=grpo and actor_rollout_ref.actor.use_kl_loss=False: the actor adds its KL term after the
advantages, where these weights do not reach it.
"""

from collections import defaultdict

import hydra
import ray
import torch
import verl.trainer.main_ppo as main_ppo
import verl.trainer.ppo.ray_trainer as ray_trainer


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


def with_lambda_weights(compute_advantage):
    """The driver's advantages, times 1/|λ|. uid identifies the groups: rows were reordered before, and are split later."""

    def weighted(data, *args, **kwargs):
        data = compute_advantage(data, *args, **kwargs)
        responses = data.batch["responses"]
        real = data.batch["attention_mask"][:, -responses.size(1) :].bool()  # tokens of tools count too, unlike response_mask
        rows = defaultdict(list)
        for row, uid in enumerate(data.non_tensor_batch["uid"]):
            rows[uid].append(row)
        scale = torch.ones_like(data.batch["advantages"])
        for group in rows.values():
            for row, w in zip(group, lambda_weights([responses[r][real[r]].tolist() for r in group])):
                scale[row, real[row]] = torch.tensor(w, dtype=scale.dtype, device=scale.device)
        data.batch["advantages"] = data.batch["advantages"] * scale
        return data

    return weighted


class LambdaTaskRunner(main_ppo.TaskRunner):
    def run(self, config):  # in the process that runs the trainer
        assert not config.actor_rollout_ref.actor.use_kl_loss, "the KL term of the actor's loss would keep its factor |λ|"
        ray_trainer.compute_advantage = with_lambda_weights(ray_trainer.compute_advantage)
        super().run(config)


@hydra.main(config_path="pkg://verl.trainer.config", config_name="ppo_trainer", version_base=None)
def main(config):
    main_ppo.run_ppo(config, task_runner_class=ray.remote(num_cpus=1)(LambdaTaskRunner))


if __name__ == "__main__":
    main()
