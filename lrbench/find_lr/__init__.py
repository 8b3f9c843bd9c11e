"""The learning-rate range test, with an interval: how the loss goes while the rate grows, on several seeds.

`range_test` says which rates, `sweep` drives the engine's own update over them, `curve` smooths what it gave, `rules`
read a rate off the curve, `found` puts the seeds together, `store` keeps them under an id of their own, and `find` asks
for what is missing. For a loop of your own, `live.range_test(model, optimizer, loss_of_batch, batches)` sweeps what you
have and gives everything back to the bit.

Source of the test: Smith (2017), "Cyclical Learning Rates for Training Neural Networks", section 3.3, with steps that
are equal in the rate; equal in its logarithm they are fastai's.
"""
