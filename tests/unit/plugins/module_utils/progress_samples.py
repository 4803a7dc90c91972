# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What frameworks really print, with where it was found, and what can be read from it."""

from __future__ import annotations

import typing as t

Position = dict[str, t.Any]
Metrics = dict[str, t.Any]

# Name, lines, position (what is not named is None), metrics.
SAMPLES: list[tuple[str, list[str], Position, Metrics]] = [
    (
        "Keras 2: rstudio/keras3#296",
        [
            "Epoch 169/250",
            "178/178 [==============================] - 0s 85us/step - loss: 0.0125 - acc: 0.0056 - val_loss: 0.0109 - val_acc: 0.0000e+00",
        ],
        {"epoch": 169, "epochs": 250, "step": 178, "steps": 178, "percent": 67.6},
        {"loss": 0.0125, "acc": 0.0056, "val_loss": 0.0109, "val_acc": 0.0},
    ),
    (
        "Keras 2, in the middle: xitu/gold-miner#2326",
        ["Epoch 100/100", "32/768 [>.............................] - ETA: 0s - loss: 0.5416"],
        {"epoch": 100, "epochs": 100, "step": 32, "steps": 768, "percent": 99.0},
        {"loss": 0.5416},
    ),
    (
        "Keras 3: keras.utils.Progbar of 3.9, without colours; predictions count for nothing",
        [
            "Epoch 2/5",
            "938/1875 ━━━━━━━━━━━━━━━━━━━━ 3s 1ms/step - accuracy: 0.9021 - loss: 0.2144",
            "1/1 ━━━━━━━━━━━━━━━━━━━━ 0s 48ms/step",
        ],
        {"epoch": 2, "epochs": 5, "step": 938, "steps": 1875, "percent": 30.0},
        {"accuracy": 0.9021, "loss": 0.2144},
    ),
    (
        "PyTorch Lightning: Lightning-AI/pytorch-lightning#4225",
        [
            "Training: 0it [00:00, ?it/s]",
            "Epoch 0:  22%|██▏       | 4/18 [00:17<01:02,  4.47s/it, loss=10.072, v_num=193315]",
        ],
        {"epoch": 0, "step": 4, "steps": 18},
        {"loss": 10.072},
    ),
    (
        "PyTorch Lightning, its bar of the validation",
        [
            "Epoch 1:  50%|█████     | 9/18 [00:17<00:17,  2.0s/it, v_num=1]",
            "Validation DataLoader 0:  20%|██        | 1/5 [00:00<00:00, 10.1it/s]",
        ],
        {"epoch": 1, "step": 9, "steps": 18},
        {},
    ),
    (
        "Hugging Face Trainer: modal-labs/llm-finetuning#82; the second bar is an evaluation's",
        [
            " 10%|█         | 500/5000 [02:03<18:22,  4.08it/s]",
            "{'loss': 0.0923, 'grad_norm': 2.383980345174379, 'learning_rate': 9.659320146057262e-05, 'epoch': 0.38}",
            "100%|██████████| 25/25 [00:03<00:00,  8.1it/s]",
        ],
        {"epoch": 0.38, "step": 500, "steps": 5000, "percent": 10.0},
        {"loss": 0.0923, "grad_norm": 2.383980345174379, "learning_rate": 9.659320146057262e-05},
    ),
    (
        "Hugging Face Trainer, JSON: huggingface/blog#56",
        ['{"loss": 6.928811420440674, "learning_rate": 4.671e-05, "epoch": 0.06566850538481744, "step": 1000}'],
        {"epoch": 0.06566850538481744, "step": 1000},
        {"loss": 6.928811420440674, "learning_rate": 4.671e-05},
    ),
    (
        "Hugging Face Trainer, when the loss is lost",
        ["{'loss': nan, 'grad_norm': inf, 'epoch': 1.0}"],
        {"epoch": 1},
        {"loss": "nan", "grad_norm": "inf"},
    ),
    (
        "downloads are no training: hiyouga/LlamaFactory, huggingface/optimum-habana#1611",
        [
            "Fetching 1 files: 100%|██████████| 1/1 [00:00<00:00, 14665.40it/s]",
            "Loading pipeline components...: 100%|██████████| 2/2 [00:10<00:00,  5.03s/it]",
        ],
        {},
        {},
    ),
    (
        "fastai: fastai/fastai#2500",
        [
            "epoch     train_loss  valid_loss  accuracy  perplexity  time    ",
            "0         4.101543    3.912345    0.312345  50.016112   00:13     ",
        ],
        {"epoch": 0},
        {"train_loss": 4.101543, "valid_loss": 3.912345, "accuracy": 0.312345, "perplexity": 50.016112},
    ),
    (
        "Lightning's or Keras' CSV log",
        ["epoch,accuracy,loss,val_accuracy,val_loss", "3,0.91,0.31,0.90,0.35"],
        {"epoch": 3},
        {"accuracy": 0.91, "loss": 0.31, "val_accuracy": 0.9, "val_loss": 0.35},
    ),
    (
        "Ultralytics",
        [
            "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size",
            "      3/100      2.3G      1.201      1.302      1.403         32        640:  50%|█████     | 4/8 [00:01<00:01,  3.1it/s]",
        ],
        {"epoch": 3, "epochs": 100, "step": 4, "steps": 8, "percent": 2.5},
        {"box_loss": 1.201, "cls_loss": 1.302, "dfl_loss": 1.403},
    ),
    (
        "torchvision's references: fangwei123456/Spike-Element-Wise-ResNet#10",
        [
            "Epoch: [0]  [ 103/5005]  eta: 4:43:31  lr: 0.1  img/s: 13.62830983555788  loss: 6.8536 (6.9458)  "
            "acc1: 0.0000 (0.2103)  acc5: 0.0000 (0.9916)  time: 2.5401  data: 0.0336  max mem: 3524"
        ],
        {"epoch": 0, "step": 103, "steps": 5005},
        {"lr": 0.1, "loss": 6.8536, "acc1": 0.0, "acc5": 0.0},
    ),
    (
        "pytorch/examples imagenet: yjh0410/pytorch-imagenet#1",
        [
            "Epoch: [0][  400/80073]\tTime  0.315 ( 0.372)\tData  0.002 ( 0.073)\tLoss 6.9802e+00 (7.0827e+00)\t"
            "Acc@1   0.00 (  0.08)\tAcc@5   6.25 (  0.55)\tlr 0.000000 (0.000002)"
        ],
        {"epoch": 0, "step": 400, "steps": 80073},
        {"Loss": 6.9802, "Acc@1": 0.0, "Acc@5": 6.25, "lr": 0.0},
    ),
    (
        "pytorch/examples imagenet, its test: Cadene/pretrained-models.pytorch#149",
        ["Test: [1460/2500]       Time 0.036 (0.039)      Loss 2.6388 (0.9189)    Acc@1 45.000 (76.451)"],
        {},
        {"test_Loss": 2.6388, "test_Acc@1": 45.0},
    ),
    (
        "pytorch/examples mnist",
        ["Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.295132"],
        {"epoch": 1, "step": 640, "steps": 60000},
        {"Loss": 2.295132},
    ),
    (
        "pytorch/examples dcgan, as seed B trains: zhangxiann/PyTorch_Practice#1",
        ["[1/20][10/32]\tLoss_D: 0.0000\tLoss_G: 56.9849\tD(x): 1.0000\tD(G(z)): 0.0000 / 0.0000"],
        {"epoch": 1, "epochs": 20, "step": 10, "steps": 32, "percent": 6.6},
        {"Loss_D": 0.0, "Loss_G": 56.9849},
    ),
    (
        "Megatron-LM: epfLLM/Megatron-LLM#11",
        [
            " iteration      201/  250000 | consumed samples:       205824 | elapsed time per iteration (ms): 139113.4 | "
            "learning rate: 1.507E-05 | global batch size:  1024 | lm loss: 2.373574E+00 | loss scale: 1.0 | grad norm: 0.811 |"
        ],
        {"step": 201, "steps": 250000, "percent": 0.1},
        {"learning_rate": 1.507e-05, "lm_loss": 2.373574, "grad_norm": 0.811},
    ),
    (
        "JSON lines: yuhuan-wu/P2T#13",
        ['{"train_lr": 0.00076584, "train_loss": 3.75985, "epoch": 98, "n_parameters": 11590840}'],
        {"epoch": 98},
        {"train_lr": 0.00076584, "train_loss": 3.75985, "n_parameters": 11590840.0},
    ),
    (
        "JSON lines that know the whole",
        ['{"epoch": 2, "epochs": 4, "step": 5, "steps": 10, "metrics": {"loss": 0.5}, "host": "a", "ok": true}'],
        {"epoch": 2, "epochs": 4, "step": 5, "steps": 10, "percent": 37.5},
        {"loss": 0.5},
    ),
    (
        "the logging of Python: caiyuanhao1998/MST#7",
        [
            "2022-07-20 06:31:44,244 - INFO: ===> Epoch 103 Complete: Avg. Loss: 0.015117 time: 667.19",
            "2022-07-20 06:31:44,759 - INFO: ===> Epoch 103: testing psnr = 34.13, ssim = 0.934, time: 0.02",
        ],
        {"epoch": 103},
        {"Loss": 0.015117, "psnr": 34.13, "ssim": 0.934},
    ),
    (
        "plain",
        ["epoch 3/6 loss=0.41 acc 0.9"],
        {"epoch": 3, "epochs": 6, "percent": 50.0},
        {"loss": 0.41, "acc": 0.9},
    ),
    (
        "examples/digits",
        [
            "epoch 3/6 batch 10/20 loss 0.4123",
            "epoch 3/6 done: validation loss 0.4231 accuracy 0.913 in 1.52 s",
            "epoch 4/6 batch 10/20 loss 0.4001",
            "test accuracy 0.981 on 360 digits never seen in training",
        ],
        {"epoch": 4, "epochs": 6, "step": 10, "steps": 20, "percent": 58.3},
        {"loss": 0.4001, "validation_loss": 0.4231, "accuracy": 0.913, "test_accuracy": 0.981},
    ),
    (
        "a count of epochs ahead of all: huggingface/transformers#4946",
        ["INFO - transformers.trainer_tf -     Num Epochs = 3", "epoch 1 loss 0.5"],
        {"epoch": 1, "epochs": 3, "percent": 33.3},
        {"loss": 0.5},
    ),
]
