"""VAR with optional per-scale class tokens (arXiv:2404.02905; HIERAMP, Sec. 3.3); state dict as published.

Legend: ``B`` batch (2 × images under guidance) · ``K`` scales (of class logits: with a class token) · ``L`` tokens of
all scales · ``l`` tokens of one scale · ``S`` sequence with class tokens · ``C`` width · ``V`` codebook size · ``N``
classes · ``c`` latent channels · ``D`` blocks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hieramp_lit.transfer import sent
from hieramp_lit.var.attention import Hook, KeyValueCache
from hieramp_lit.var.block import NUM_MODULATIONS, Block, HeadNorm, modulate, modulation_layer
from hieramp_lit.var.class_tokens import check_class_token_scales, query_parts, sequence_layout, visibility
from hieramp_lit.var.initialization import initialize
from hieramp_lit.var.packed import PackedLinear
from hieramp_lit.var.scales import Scales

ClassHead = Literal["shared", "per_scale"]
RunBlock = Callable[[Block, Tensor, Tensor, KeyValueCache, int, int, Hook | None], Tensor]
"""`Block.forward_scale`, or what stands for it."""


class VAROutput(NamedTuple):
    """Teacher-forced logits, float32.

    Attributes:
        token_logits: Shape ``(B, L, V)``.
        class_logits: One row per class token, shape ``(B, K, N)``; None without class tokens.
    """

    token_logits: Tensor
    class_logits: Tensor | None


class Condition(NamedTuple):
    """All that depends on the label alone; computed once per image, used at every scale.

    Attributes:
        embedding: Label embedding, shape ``(B, C)``.
        blocks: Modulations of all blocks, shape ``(depth, B, 1, 6, C)``.
        head: Modulations before the head, shape ``(B, 1, 2, C)``.
    """

    embedding: Tensor
    blocks: Tensor
    head: Tensor


class VAR(nn.Module):
    """Visual autoregressive transformer over the scales of a `VQVAE`.

    Args:
        scales: Token maps, the tokenizer's.
        vocab_size: Codebook size, ``V``; the tokenizer's.
        z_channels: Latent channels, ``c``; the tokenizer's.
        depth: Blocks.
        embed_dim: Width, ``C``; 64 × depth in the published models.
        num_heads: Attention heads; the depth in the published models.
        num_classes: Classes, ``N``; the embedding has one row more, the last, for "unconditional".
        attn_l2_norm: Normalize queries and keys (all published weights do).
        shared_aln: One modulation layer for all blocks (published at 512²).
        class_token_scales: Scales with a class token; ``()`` is plain VAR.
        class_head: One classifier of class tokens for all scales (released code), or one a scale (paper, Eq. 6).
        drop_path_rate: Rate of the last block, rising linearly from 0; None is ``0.1 · depth / 24``.
        adaln_gamma: Factor on the initial weights that make γ1 and γ2; 1e-5 or, in the d16 and HIERAMP scripts, 1e-3.

    Raises:
        ValueError: If `num_heads` does not divide `embed_dim`, a class-token scale does not exist, or a size is not
            positive.
    """

    lvl_1L: Tensor
    attn_bias_for_masking: Tensor
    mask_SS: Tensor
    drop_path_rates: Tensor

    def __init__(
        self,
        scales: Scales,
        vocab_size: int,
        z_channels: int,
        depth: int,
        embed_dim: int,
        num_heads: int,
        num_classes: int,
        attn_l2_norm: bool = True,
        shared_aln: bool = False,
        class_token_scales: Sequence[int] = (),
        class_head: ClassHead = "shared",
        drop_path_rate: float | None = None,
        adaln_gamma: float = 1e-3,
    ) -> None:
        super().__init__()
        sizes = {"vocab_size": vocab_size, "z_channels": z_channels, "depth": depth, "num_classes": num_classes}
        if min(sizes.values()) < 1:
            raise ValueError(f"Expected sizes of 1 or more, got {sizes}.")
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ValueError(f"embed_dim={embed_dim} is not a multiple of num_heads={num_heads}.")
        if class_head not in ("shared", "per_scale"):
            raise ValueError(f"class_head={class_head!r}: expected 'shared' or 'per_scale'.")
        rate = 0.1 * depth / 24 if drop_path_rate is None else drop_path_rate
        if not 0 <= rate < 1:
            raise ValueError(f"drop_path_rate={drop_path_rate}: expected 0 (off) or more, below 1.")
        self.scales = scales
        self.vocab_size = vocab_size
        self.z_channels = z_channels
        self.depth = depth
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.num_classes = num_classes
        self.drop_path_rate = rate
        self.class_token_scales = check_class_token_scales(class_token_scales, scales)

        self.word_embed = nn.Linear(z_channels, embed_dim)
        self.class_emb = nn.Embedding(num_classes + 1, embed_dim)
        self.pos_start = nn.Parameter(torch.empty(1, scales.lengths[0], embed_dim))
        self.pos_1LC = nn.Parameter(torch.empty(1, scales.total, embed_dim))
        self.lvl_embed = nn.Embedding(len(scales), embed_dim)
        self.shared_ada_lin = modulation_layer(embed_dim, NUM_MODULATIONS) if shared_aln else None
        blocks = [Block(embed_dim, num_heads, attn_l2_norm, shared_aln) for _ in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        self.head_nm = HeadNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)
        self._packed_head: PackedLinear | None = None
        self.cls_tokens = nn.ParameterDict(
            {str(k): nn.Parameter(torch.empty(1, 1, embed_dim)) for k in self.class_token_scales}
        )
        self.class_head: nn.Linear | nn.ModuleDict | None = None
        if self.class_token_scales and class_head == "shared":
            self.class_head = nn.Linear(embed_dim, num_classes)
        elif self.class_token_scales:
            self.class_head = nn.ModuleDict({key: nn.Linear(embed_dim, num_classes) for key in self.cls_tokens})

        level_L, _ = sequence_layout(scales, ())
        self.register_buffer("lvl_1L", level_L[None])
        published_mask = torch.zeros(scales.total, scales.total).masked_fill(level_L[:, None] < level_L, -torch.inf)
        self.register_buffer("attn_bias_for_masking", published_mask[None, None])
        scale_S, is_class_S = sequence_layout(scales, self.class_token_scales)
        self.register_buffer("mask_SS", visibility(scale_S, is_class_S), persistent=False)
        self.query_parts = query_parts(scales, self.class_token_scales)
        self.register_buffer("drop_path_rates", torch.linspace(0, rate, depth), persistent=False)
        self.init_weights(adaln_gamma=adaln_gamma)

    def pack(self) -> None:
        """Take packed copies of the matrices, see `packed`; from now on this module is for generating only."""
        for block in self._blocks():
            block.attn.pack()
            block.ffn.pack()
        self._packed_head = PackedLinear(self.head.weight, self.head.bias)

    def init_weights(self, generator: torch.Generator | None = None, adaln_gamma: float = 1e-3) -> None:
        """Initialize for training from scratch, see `initialize`; None draws from torch's own generator."""
        initialize(self, generator, adaln_gamma)

    def class_token_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Names and parameters that plain VAR lacks: the class tokens and their classifier."""
        own = ("cls_tokens.", "class_head.")
        return [(name, parameter) for name, parameter in self.named_parameters() if name.startswith(own)]

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that take no weight decay: all but matrices, and some that only look like one.

        Biases, norms, embeddings of position and level, attention scales, class tokens (reference §2). The label
        embedding decays, as in the released code.
        """
        tables = {"lvl_embed.weight", "pos_start", "pos_1LC"}
        return {
            name
            for name, parameter in self.named_parameters()
            if parameter.ndim < 2
            or name in tables
            or name.endswith(("scale_mul_1H11", "ada_gss"))
            or "cls_tokens" in name
        }

    def condition(self, label_B: Tensor) -> Condition:
        """Embed the labels and compute every modulation.

        Args:
            label_B: Class rows, int64; row `num_classes` is the unconditional one.
        """
        cond_BC = self.class_emb(label_B)
        shared = None if self.shared_ada_lin is None else modulate(self.shared_ada_lin, cond_BC, NUM_MODULATIONS)
        blocks = torch.stack([block.modulations(cond_BC, shared) for block in self._blocks()])
        with torch.autocast(cond_BC.device.type, enabled=False):
            head = self.head_nm.modulations(cond_BC.float())
        return Condition(cond_BC, blocks, head)

    def forward(
        self,
        label_B: Tensor,
        teacher_input_BLc: Tensor,
        draws_D2B: Tensor | None = None,
        checkpointing: bool = False,
    ) -> VAROutput:
        """Teacher-forced logits of all scales at once.

        Args:
            label_B: Class rows, int64, shape ``(B,)``; `num_classes` for unconditional.
            teacher_input_BLc: From `VQVAE.teacher_input`, shape ``(B, L − l₀, c)``.
            draws_D2B: Uniform numbers in [0, 1) that decide drop-path in training mode, ``(depth, 2, B)``; None draws
                them from torch's own generator.
            checkpointing: Keep only the blocks' inputs for the backward pass, which computes each block again: a
                fraction of the memory for a third more work, and the same gradients.

        Raises:
            ValueError: If the input's length is not that of `scales`.
        """
        B, expected = len(label_B), self.scales.total - self.scales.lengths[0]
        if teacher_input_BLc.shape[1:] != (expected, self.z_channels):
            raise ValueError(
                f"teacher_input has shape {tuple(teacher_input_BLc.shape)}, expected ({B}, {expected}, "
                f"{self.z_channels}). Check that tokenizer and transformer have the same `patch_nums` and `z_channels`."
            )
        condition = self.condition(label_B)
        spatial_BLC = torch.cat([self._start(condition), self.word_embed(teacher_input_BLc)], dim=1)
        spatial_BLC = spatial_BLC + self._place(slice(None))
        class_tokens = [self._class_token(k, B).to(spatial_BLC.dtype) for k in self.class_token_scales]
        x = torch.cat([*class_tokens, spatial_BLC], dim=1)
        keep = self._drop_path(B, draws_D2B)
        attended = x
        for i, block in enumerate(self._blocks()):
            inputs = x, condition.blocks[i], self.mask_SS, self.query_parts, None if keep is None else keep[i]
            if checkpointing:
                # nothing in a block draws random numbers: drop-path is an input
                x, attended = checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
            else:
                x, attended = block(*inputs)
        first = len(class_tokens)
        class_logits = self._class_logits(attended[:, :first]) if first else None
        return VAROutput(self._token_logits(x[:, first:], condition), class_logits)

    @property
    def compute_dtype(self) -> torch.dtype:
        """Precision of the blocks' matrices."""
        return self._blocks()[0].ffn.fc1.weight.dtype

    def new_cache(self, batch: int) -> list[KeyValueCache]:
        """Empty cache of every block for `batch` sequences, on the model's device, in the precision of its blocks."""
        shape = (self.depth, 2, batch, self.num_heads, self.scales.total + 1, self.embed_dim // self.num_heads)
        return [
            KeyValueCache(*pair)
            for pair in torch.empty(shape, device=self.head.weight.device, dtype=self.compute_dtype)
        ]

    def forward_scale(
        self,
        features_Blc: Tensor | None,
        scale: int,
        condition: Condition,
        cache: Sequence[KeyValueCache],
        hooks: Mapping[int, Hook] | None = None,
        run_block: RunBlock = Block.forward_scale,
    ) -> Tensor:
        """Logits of one scale, given the coarser ones in `cache`.

        Args:
            features_Blc: The scale's input, see `MultiScaleQuantizer.next_input`; None at scale 0.
            scale: Index of the scale; call them in order.
            condition: From `condition`.
            cache: From `new_cache`; this scale's keys and values are written into it.
            hooks: Per block index, what emphasizes this scale's keys there.
            run_block: Runs the blocks without a hook: `Block.forward_scale`, or a compiled form of it.

        Returns:
            Token logits, float32, shape ``(B, l, V)``.
        """
        place = self.scales.slices[scale]
        length = self.scales.lengths[scale]
        x = self._start(condition) if features_Blc is None else self.word_embed(features_Blc)
        x = x + self._place(place)
        if scale in self.class_token_scales:
            x = torch.cat([x, self._class_token(scale, len(x))], dim=1)
        for i, block in enumerate(self._blocks()):
            hook = hooks.get(i) if hooks else None
            run = run_block if hook is None else Block.forward_scale
            x = run(block, x, condition.blocks[i], cache[i], place.start, length, hook)
        return self._token_logits(x[:, :length], condition)

    def _blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]

    def _start(self, condition: Condition) -> Tensor:
        return condition.embedding[:, None] + self.pos_start

    def _place(self, place: slice) -> Tensor:
        y: Tensor = self.lvl_embed(self.lvl_1L[:, place]) + self.pos_1LC[:, place]
        return y

    def _class_token(self, scale: int, batch: int) -> Tensor:
        token: Tensor = self.cls_tokens[str(scale)]
        return token.expand(batch, -1, -1)

    def _drop_path(self, batch: int, draws_D2B: Tensor | None) -> Tensor | None:
        """Multipliers of both branches of every block, ``(depth, 2, B)``; None where nothing can drop."""
        if not self.training or self.drop_path_rate == 0:
            return None
        device = self.drop_path_rates.device
        if draws_D2B is None:
            draws_D2B = torch.rand(self.depth, 2, batch, device=device)
        rates = self.drop_path_rates[:, None, None]
        return (sent(draws_D2B, device) >= rates) / (1 - rates)

    def _token_logits(self, x_BLC: Tensor, condition: Condition) -> Tensor:
        """The head computes in float32 under any autocast."""
        with torch.autocast(x_BLC.device.type, enabled=False):
            normed_BLC = self.head_nm(x_BLC.float(), condition.head.float()).to(self.head.weight.dtype)
            packed = self._packed_head if normed_BLC.device.type == "cpu" else None
            y: Tensor = self.head(normed_BLC) if packed is None else packed(normed_BLC)
        return y.float()

    def _class_logits(self, attended_BKC: Tensor) -> Tensor:
        """Classify the class tokens by the last block's attention output, in float32 (reference §3)."""
        with torch.autocast(attended_BKC.device.type, enabled=False):
            if isinstance(self.class_head, nn.ModuleDict):
                rows = [head(attended_BKC[:, i].float()) for i, head in enumerate(self.class_head.values())]
                return torch.stack(rows, dim=1)
            if self.class_head is None:
                raise RuntimeError("This VAR has no class tokens to classify; build it with class_token_scales.")
            y: Tensor = self.class_head(attended_BKC.float())
            return y
