"""A small shop: catalogue, stock, orders, pricing, payment, and a report of a day's business."""
